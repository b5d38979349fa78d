package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock/internal/awsapi"
	"penstock/internal/fault"
)

// errorPattern lets CloudWatch Logs choose lines that may tell of an error; tellsError decides.
const errorPattern = `?ERROR ?WARN ?errorType ?"Task timed out" ?platform.report ?panic`

// logPoll is how often a log is asked for what came.
const logPoll = 2 * time.Second

// function prints the log of a function of a stack.
func (cmd logsCmd) function(ctx context.Context, c *console, d *site) error {
	q := awsapi.LogQuery{Group: d.Stack.LogGroup(cmd.Of), From: c.Now().Add(-cmd.Since)}
	if cmd.Errors {
		q.Pattern = errorPattern
	}
	shown := map[string]time.Time{} // ids of what was printed lately
	n := 0
	for {
		q.To = c.Now().Add(time.Minute) // the service's clock may be ahead
		for e, err := range d.Stack.Logs().Events(ctx, q) {
			if is[*fault.NotFound](err) {
				return failf(exitNoData, "%v: the function has written nothing yet, or %s is another stack", err, d.Name)
			}
			if err != nil {
				return watched(ctx, err)
			}
			if _, ok := shown[e.ID]; ok || cmd.Errors && !tellsError(e.Text) {
				continue
			}
			shown[e.ID] = e.At
			n++
			if _, err := fmt.Fprintln(c.Out, cmd.line(e)); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		if !cmd.Follow {
			break
		}
		// What is written at a time may be found some seconds later.
		if from := c.Now().Add(-time.Minute); from.After(q.From) {
			q.From = from
			maps.DeleteFunc(shown, func(_ string, at time.Time) bool { return at.Before(from) })
		}
		timer := time.NewTimer(logPoll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
	if n == 0 {
		return failf(exitNoData, "function %s wrote nothing of that within %s: look further back with --since", cmd.Of, cmd.Since)
	}
	return nil
}

func (cmd logsCmd) line(e awsapi.LogEvent) string {
	if cmd.JSON {
		return clean(strings.TrimRight(e.Text, "\r\n"))
	}
	return readable(e)
}

// logLines reads at most most lines of a log for people. A group that is not there has none.
func (s *site) logLines(ctx context.Context, q awsapi.LogQuery, most int) ([]string, error) {
	var lines []string
	for e, err := range s.Stack.Logs().Events(ctx, q) {
		if is[*fault.NotFound](err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if lines = append(lines, readable(e)); len(lines) >= most {
			break
		}
	}
	return lines, nil
}

// logRecord is a line of a function's log, Lambda's own or the function's.
type logRecord struct {
	Level, Msg, Type, Message string
	ErrorType, ErrorMessage   string
	Record                    struct {
		RequestID string
		Status    string
		ErrorType string
		Metrics   struct {
			DurationMs, BilledDurationMs float64
			MaxMemoryUsedMB              float64
		}
	}
}

// readable makes a sentence of a line of JSON; another line stays as it is.
func readable(e awsapi.LogEvent) string {
	raw := strings.TrimRight(e.Text, "\r\n")
	at := e.At.UTC().Format("15:04:05.000") + " "
	var l logRecord
	var all map[string]any
	if json.Unmarshal([]byte(raw), &l) != nil || json.Unmarshal([]byte(raw), &all) != nil {
		return at + clean(raw)
	}
	text := ""
	switch {
	case l.Type == "platform.report":
		text = fmt.Sprintf("report %s %s: %.0f ms, %.0f MB", l.Record.RequestID, l.Record.Status, l.Record.Metrics.DurationMs, l.Record.Metrics.MaxMemoryUsedMB)
		if l.Record.ErrorType != "" {
			text += ", " + l.Record.ErrorType
		}
	case l.Type != "":
		text = strings.TrimPrefix(l.Type, "platform.") + " " + l.Record.RequestID
	case all["_aws"] != nil:
		text = "figures" + members(all, "_aws", "Stack")
	case l.ErrorType != "":
		text = "ERROR " + l.ErrorType + ": " + l.ErrorMessage
	case l.Msg != "" || l.Message != "":
		text = strings.TrimSpace(l.Level+" "+l.Msg+l.Message) + members(all, "time", "timestamp", "level", "msg", "message")
	default:
		text = raw
	}
	return at + clean(text)
}

// members are the members of a log line but some, in order.
func members(all map[string]any, but ...string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(but, k) {
			fmt.Fprintf(&b, " %s=%v", k, all[k])
		}
	}
	return b.String()
}

// tellsError says whether a line tells of an error or a warning.
func tellsError(line string) bool {
	var l logRecord
	if json.Unmarshal([]byte(line), &l) != nil {
		return strings.Contains(line, "ERROR") || strings.Contains(line, "Task timed out") || strings.Contains(line, "panic")
	}
	switch strings.ToUpper(l.Level) {
	case "ERROR", "FATAL", "WARN":
		return true
	}
	return l.ErrorType != "" || l.Record.ErrorType != "" || l.Type == "platform.report" && l.Record.Status != "success" && l.Record.Status != ""
}
