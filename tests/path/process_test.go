package path

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binary builds the command once.
func binary(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "penstock")
	out, err := exec.Command("go", "build", "-o", bin, "penstock/cmd/penstock").CombinedOutput()
	if err != nil {
		t.Fatalf("build the command: %v\n%s", err, out)
	}
	return bin
}

func TestARunThatIsKilledAtAnyMomentIsFinishedByTheNext(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and kills real processes: left out of -short")
	}
	t.Parallel()
	bin := binary(t)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("PENSTOCK_SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("PENSTOCK_SEED=%d", seed)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	run := func(dir string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, bin, append(args, "--data", dir)...)
		cmd.Env = append(os.Environ(), "NO_COLOR=1")
		return cmd.Output()
	}
	quiet, dir := filepath.Join(t.TempDir(), "quiet"), filepath.Join(t.TempDir(), "killed")
	begun := time.Now()
	if out, err := run(quiet, "run", "--events", "1500"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(begun)
	random := rand.New(rand.NewPCG(seed, 0))
	killed := 0
	for range rounds(t, 2) {
		cmd := exec.CommandContext(ctx, bin, "run", "--events", "1500", "--data", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(random.Float64()*float64(whole)*0.7), func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		var exit *exec.ExitError
		switch {
		case err == nil:
		case errors.As(err, &exit) && !exit.Exited():
			killed++
		default:
			t.Fatalf("the command failed of itself: %v", err)
		}
	}
	t.Logf("a whole run takes %v; killed %d times", whole, killed)
	if out, err := run(dir, "run", "--events", "1500"); err != nil {
		t.Fatalf("the run that was to finish: %v\n%s", err, out)
	}
	for h := range 24 {
		name := fmt.Sprintf("2026-11-02T%02d", h)
		want, err := run(quiet, "cat", name)
		if err != nil {
			t.Fatalf("cat %s of the run that nobody killed: %v", name, err)
		}
		got, err := run(dir, "cat", name)
		if err != nil {
			t.Errorf("cat %s: %v", name, err)
		}
		if string(got) != string(want) {
			a, b := strings.Count(string(got), "\n"), strings.Count(string(want), "\n")
			t.Errorf("hour %s has other events: %d, want %d", name, a, b)
		}
	}
}
