package main

import (
	"context"
	"strings"

	"github.com/posener/complete"
)

// predictors complete the words of a command line: files, directories, and the hours that the data directory holds.
func predictors(c *console) map[string]complete.Predictor {
	return map[string]complete.Predictor{
		"file":     complete.PredictFiles("*"),
		"dir":      complete.PredictDirs("*"),
		"function": complete.PredictSet(functions...),
		"hour":     complete.PredictFunc(func(a complete.Args) []string { return predictHours(c, a.All) }),
	}
}

func predictHours(c *console, words []string) []string {
	p := place{folder: folder{Data: DefaultData}}
	for i, w := range words {
		if value, ok := strings.CutPrefix(w, "--data="); ok {
			p.Data = value
		} else if (w == "--data" || w == "-d") && i+1 < len(words) {
			p.Data = words[i+1]
		}
	}
	d, err := p.open(context.Background(), c)
	if err != nil {
		return nil // a shell has no use for errors
	}
	defer d.Close()
	_, hours, err := d.known(context.Background(), nil)
	if err != nil {
		return nil
	}
	var all []string
	for _, h := range hours {
		all = append(all, h.String())
	}
	return all
}
