package main

import (
	"context"
	"fmt"
	"os"

	"penstock/internal/hour"
	"penstock/internal/playbook"
)

type playbookCmd struct {
	File     string    `arg:"" help:"The playbook."`
	DryRun   hour.Hour `placeholder:"HOUR" help:"Print the RunJobFlow request that this hour would make."`
	Name     string    `default:"player_events" help:"Name of the data set."`
	Bucket   string    `default:"hours" help:"Name of the hours bucket."`
	Revision string    `default:"0123456789ab" help:"The hour's revision."`
	Subnet   []string  `placeholder:"ID" help:"Subnets of the cluster."`
}

// Help implements kong.HelpProvider.
func (playbookCmd) Help() string {
	return `Checks a playbook: its fields, its limits and its placeholders. Errors name the field. Strings of steps, tags, configurations and bootstrap actions may hold

  {{hour}}      2026-11-23T07
  {{revision}}  the hour's revision
  {{input}}     the hour's parts, as a glob of s3:// URIs
  {{output}}    where the result belongs, an s3:// URI without final slash
  {{run}}       the number of the hour's run, {{cluster}} the cluster's in it
  {{code}}      where programs and scripts lie, an s3:// URI without final slash
  {{arch}}      arm64 or amd64, by the instance types of the fleets
  {{job}}       the playbook's name

Examples:

  penstock playbook playbooks/video.json
  penstock playbook playbooks/video.json --dry-run 2026-11-23T07
  penstock playbook mine.json --dry-run 2026-11-23T07 --bucket my-hours --revision 4f1c09e2ab77 --subnet subnet-0a
`
}

func (cmd playbookCmd) Run(_ context.Context, c *console) error {
	data, err := os.ReadFile(cmd.File)
	if err != nil {
		return fmt.Errorf("read the playbook %s: %w", cmd.File, withoutPath(err))
	}
	book, err := playbook.Parse(data)
	if err != nil {
		return fmt.Errorf("read the playbook %s: %w", cmd.File, err)
	}
	if cmd.DryRun == (hour.Hour{}) {
		_, err = fmt.Fprintf(c.Out, "%s: job %s, %d steps, %s, clusters on %s\n", cmd.File, book.Name, len(book.Steps), book.Cluster.ReleaseLabel, book.Arch())
		return err
	}
	keys, err := hour.NewKeys(cmd.Name)
	if err != nil {
		return &failure{exitUsage, err}
	}
	if err := hour.CheckRevision(cmd.Revision); err != nil {
		return &failure{exitUsage, err}
	}
	base := "s3://" + cmd.Bucket + "/"
	result := hour.ResultKey{Job: book.Name, Hour: cmd.DryRun, Revision: cmd.Revision, Run: 1, Cluster: 1}
	request, err := book.Request(playbook.Env{Hour: cmd.DryRun.String(), Revision: cmd.Revision, Run: 1, Cluster: 1,
		ClusterName: hour.ClusterName("dry-run", cmd.DryRun, 1, 1), Input: base + keys.PartsGlob(cmd.DryRun, cmd.Revision),
		Output: base + keys.ResultPrefix(result), Code: base + "code", Logs: base + "logs/", ServiceRole: "service-role",
		InstanceProfile: "instance-profile", SecurityConfiguration: "security-configuration", Subnets: cmd.Subnet})
	if err != nil {
		return fmt.Errorf("render the playbook %s: %w", cmd.File, err)
	}
	return c.printJSON(request)
}
