package hour

import (
	"fmt"
	"strings"
)

// MaxClusterName is the longest name that EMR gives to a cluster, in characters. Source: EMR API reference, RunJobFlow.
const MaxClusterName = 256

// CheckStack says whether s can be the name of a stack: a letter, then at most 127 letters, digits or hyphens.
// Source: CloudFormation, stack names.
func CheckStack(s string) error {
	ok := s != "" && len(s) <= 128
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		ok = ok && (letter || i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '-'))
	}
	if !ok {
		return fmt.Errorf("stack name %.140q: want a letter, then letters, digits or hyphens", s)
	}
	return nil
}

// ClusterName is the name of the cluster-th cluster of the run-th run for an hour. No other cluster of the account has
// it, and it tells which run owns the cluster.
func ClusterName(stack string, h Hour, run, cluster int) string {
	return fmt.Sprintf("%s-%s-%d-%d", stack, h.Compact(), run, cluster)
}

// ParseClusterName reads the name of one of the stack's clusters.
func ParseClusterName(stack, name string) (h Hour, run, cluster int, ok bool) {
	rest, ok := strings.CutPrefix(name, stack+"-")
	f := strings.Split(rest, "-")
	if !ok || len(name) > MaxClusterName || len(f) != 3 {
		return Hour{}, 0, 0, false
	}
	h, ok = parseCompact(f[0])
	run, ok1 := parseCount(f[1])
	cluster, ok2 := parseCount(f[2])
	return h, run, cluster, ok && ok1 && ok2 && run > 0 && cluster > 0
}
