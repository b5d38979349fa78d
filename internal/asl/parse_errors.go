package asl

import (
	"encoding/json"
	"strings"
)

func (p *parser) retriers(f *fields) []retrier {
	var out []retrier
	list := f.list("Retry")
	seen := map[string]bool{}
	for i, r := range list {
		r.text("Comment")
		x := retrier{interval: 1, backoff: 2, maxAttempts: 3}
		x.errors = p.errorEquals(r, seen, i == len(list)-1)
		if n, ok := r.whole("IntervalSeconds", 1, maxSeconds); ok {
			x.interval = float64(n)
		}
		if n, ok := r.whole("MaxAttempts", 0, maxSeconds); ok {
			x.maxAttempts = n
		}
		if n, ok := r.whole("MaxDelaySeconds", 1, 31_622_400); ok {
			x.maxDelay = float64(n)
		}
		if v, ok := r.take("BackoffRate"); ok {
			n, isNumber := v.(json.Number)
			rate, err := n.Float64()
			if !isNumber || err != nil || rate < 1 {
				p.add(r.at("BackoffRate"), false, "a number of 1.0 or more is expected")
			}
			x.backoff = rate
		}
		switch v, ok := r.text("JitterStrategy"); {
		case ok && v == "FULL":
			x.jitter = true
		case ok && v != "NONE":
			p.add(r.at("JitterStrategy"), false, "the strategy is FULL or NONE")
		}
		r.finish()
		out = append(out, x)
	}
	return out
}

func (p *parser) catchers(f *fields) []catcher {
	var out []catcher
	list := f.list("Catch")
	seen := map[string]bool{}
	for i, c := range list {
		c.text("Comment")
		x := catcher{errors: p.errorEquals(c, seen, i == len(list)-1), resultPath: c.selection("ResultPath", true)}
		x.next, _ = c.required("Next")
		c.finish()
		out = append(out, x)
	}
	return out
}

// errorEquals reads the names of one retrier or catcher. A name that an earlier one has can never
// get here; States.ALL stands alone and last.
func (p *parser) errorEquals(f *fields, seen map[string]bool, last bool) []string {
	v, _ := f.take("ErrorEquals")
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		p.add(f.path, false, "ErrorEquals is an array with at least one error name")
		return nil
	}
	var out []string
	for _, e := range list {
		name, ok := e.(string)
		switch {
		case !ok || name == "":
			p.add(f.at("ErrorEquals"), false, "an error name is expected, not %s", kind(e))
			continue
		case seen[name]:
			p.add(f.at("ErrorEquals"), false, "%s is handled already: this can never be reached", clip(name))
		case strings.HasPrefix(name, "States.") && !reservedError(name):
			p.add(f.at("ErrorEquals"), true, "there is no error %s", clip(name))
		case name == ErrAll && (len(list) > 1 || !last):
			p.add(f.at("ErrorEquals"), false, "States.ALL stands alone and last")
		}
		seen[name] = true
		out = append(out, name)
	}
	return out
}
