package cluster_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"penstock/internal/cluster"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
)

func TestAStoredPlaybookIsReadAsItStands(t *testing.T) {
	ctx := context.Background()
	m := store.NewMemory(func() time.Time { return time.Unix(0, 0) })
	data, err := os.ReadFile("../../playbooks/web.json")
	if err != nil {
		t.Fatal(err)
	}
	s := cluster.StoredPlaybook{Store: m, Key: cluster.PlaybookKey("web")}
	var bad *fault.BadInput
	if _, _, err := s.Playbook(ctx); !errors.As(err, &bad) {
		t.Errorf("no playbook: %v", err)
	}
	o, err := m.Create(ctx, "code/playbooks/web.json", data)
	if err != nil {
		t.Fatal(err)
	}
	p, ref, err := s.Playbook(ctx)
	if err != nil || p.Name != "web" || ref != (hour.Ref{Key: "code/playbooks/web.json", SHA256: hour.SHA256(data)}) {
		t.Errorf("%v, %+v, %v", p, ref, err)
	}
	if _, err := m.Replace(ctx, o.Key, o.ETag, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Playbook(ctx); !errors.As(err, &bad) {
		t.Errorf("mangled playbook: %v", err)
	}
}
