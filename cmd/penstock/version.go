package main

import (
	"fmt"
	"runtime/debug"

	"penstock/internal/datadir"
	"penstock/internal/hour"
)

type versionCmd struct{ asJSON }

// Help implements kong.HelpProvider.
func (versionCmd) Help() string {
	return `Examples:

  penstock version
  penstock version --json
`
}

type versionReport struct {
	Version   string `json:"version"` // of the module, or of the commit that it was built from
	Go        string `json:"go"`
	Documents int    `json:"documents"` // version of the documents that it writes
	Directory int    `json:"directory"` // version of the data directory
	Layout    int    `json:"layout"`    // version of the parts' layout
}

func (cmd versionCmd) Run(c *console) error {
	r := versionReport{Version: "(unknown)", Documents: hour.Version, Directory: datadir.Version, Layout: hour.Layout}
	if info, ok := debug.ReadBuildInfo(); ok {
		r.Version, r.Go = info.Main.Version, info.GoVersion
	}
	if cmd.JSON {
		return c.printJSON(r)
	}
	_, err := fmt.Fprintf(c.Out, "penstock %s, %s; documents version %d, data directory version %d, layout %d\n",
		r.Version, r.Go, r.Documents, r.Directory, r.Layout)
	return err
}
