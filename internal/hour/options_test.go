package hour

import (
	"strings"
	"testing"
)

func TestWhatADryRunShowedIsReadAsItIsWritten(t *testing.T) {
	e := Expect{State: strings.Repeat("a", 64), Revision: "0123456789ab", Playbook: strings.Repeat("f", 64)}
	text := e.String()
	if text != "aaaaaaaaaaaa-0123456789ab-ffffffffffff" {
		t.Fatal(text)
	}
	got, err := ParseExpect(text)
	if err != nil || got.String() != text {
		t.Errorf("%+v, %v", got, err)
	}
	for what, have := range map[string]string{got.State: e.State, got.Revision: e.Revision, got.Playbook: e.Playbook, "": "anything"} {
		if changed := Changed("it", have, what); changed != "" {
			t.Error(changed)
		}
	}
	if Changed("it", "b"+e.State[1:], got.State) == "" {
		t.Error("another state was taken for the same")
	}
	for _, bad := range []string{"abc", "aaaaaaaaaaaa", text + "-0123456789ab", strings.ToUpper(text), text[1:], text + "0", "--", strings.Repeat("x", 1e6)} {
		if _, err := ParseExpect(bad); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.40s: %v", bad, err)
		}
	}
}

func TestOptionsThatNoStageKnowsAreRefused(t *testing.T) {
	for _, from := range append(Stages(), "") {
		o := Options{From: from}
		if o.Check() != nil || o.Resumes() != (from != "" && from != FromSeal) {
			t.Errorf("from %q: %v, resumes %v", from, o.Check(), o.Resumes())
		}
	}
	if (Options{From: "judge"}).Check() == nil || (Options{Expect: "x"}).Check() == nil {
		t.Error("a malformed option was taken")
	}
}

func FuzzParseExpect(f *testing.F) {
	f.Add("aaaaaaaaaaaa-0123456789ab-ffffffffffff")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := ParseExpect(s); err == nil && s != "" && e.String() != s {
			t.Errorf("%q reads as %q", s, e.String())
		}
	})
}
