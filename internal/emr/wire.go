package emr

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	targetPrefix   = "ElasticMapReduce."
	wireType       = "application/x-amz-json-1.1"
	maxRequest     = 1 << 20 // bytes of a request's body
	requestTimeout = 30 * time.Second
)

// Handler serves the Service over EMR's wire protocol, AWS JSON 1.1: POST /,
// the action in X-Amz-Target. Signatures are not checked. It is for a Service
// on the real clock.
func (s *Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		controller := http.NewResponseController(w)
		// Best effort: a test's ResponseRecorder has no deadlines.
		_ = controller.SetReadDeadline(time.Now().Add(requestTimeout))
		_ = controller.SetWriteDeadline(time.Now().Add(2 * requestTimeout))
		out, err := s.answer(w, r)
		var e *Error
		switch {
		case err == nil:
			reply(w, http.StatusOK, "", out)
		case errors.As(err, &e) && e.Name == Unreachable:
			panic(http.ErrAbortHandler) // closes the connection without an answer
		case errors.As(err, &e):
			replyError(w, e)
		default:
			replyError(w, &Error{Name: Internal, Message: "An internal error occurred"})
		}
	})
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request) (json.RawMessage, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		return nil, refuse(UnknownAction, "want POST /")
	}
	action, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	if !ok {
		return nil, refuse(UnknownAction, "X-Amz-Target does not begin with %s", targetPrefix)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, &Error{Name: "RequestEntityTooLargeException", Message: "The request is too large"}
		}
		return nil, refuse(Serialization, "The request could not be read")
	}
	return s.Call(r.Context(), action, body)
}

func replyError(w http.ResponseWriter, e *Error) {
	status := http.StatusBadRequest
	switch e.Name {
	case Internal:
		status = http.StatusInternalServerError
	case "RequestEntityTooLargeException":
		status = http.StatusRequestEntityTooLarge
	}
	// Some clients read Message, some message.
	body, err := json.Marshal(map[string]string{"__type": e.Name, "message": e.Message, "Message": e.Message})
	if err != nil {
		body = []byte(`{"__type":"` + Internal + `"}`)
	}
	reply(w, status, e.Name, body)
}

func reply(w http.ResponseWriter, status int, errorType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", wireType)
	h.Set("X-Amzn-Requestid", uuid.NewString()) // clients put it into what they say of errors
	if errorType != "" {
		h.Set("X-Amzn-Errortype", errorType)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone does not matter
}
