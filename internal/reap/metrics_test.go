package reap_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"penstock/internal/emf"
	"penstock/internal/reap"
)

func TestTheAgeOfTheOldestClusterIsAFigure(t *testing.T) {
	for _, c := range []struct {
		name     string
		clusters int
		want     float64
	}{{"without clusters", 0, 0}, {"with one of an hour ago", 1, 60}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			var b bytes.Buffer
			w.h.Figures = emf.Figures{Out: &b, Stack: "prod"}
			w.run(1, "RUNNING", c.clusters)
			w.reap(t, reap.In{})
			var line struct {
				Stack                string
				OldestClusterMinutes *float64
			}
			if err := json.Unmarshal(b.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if line.Stack != "prod" || line.OldestClusterMinutes == nil || *line.OldestClusterMinutes != c.want {
				t.Errorf("the line is %s", b.Bytes())
			}
		})
	}
}
