// Package supervise runs a program so that nothing of it is left when its parent
// ends, however that happens: a supervisor process stands between the two.
//
// The supervisor's standard input is a lifeline, a pipe whose other end only the
// parent holds. When the program ends, or the lifeline does (the parent closed it,
// or was killed), or the supervisor is told to stop, it ends every process that
// descends from it, those included that left their group, their session or their
// parent: orphans become its children (PR_SET_CHILD_SUBREAPER). Linux has that;
// elsewhere Main refuses to run.
//
// The supervisor is a command of the program that uses it:
//
//	if len(os.Args) > 1 && os.Args[1] == supervise.Argument {
//		os.Exit(supervise.Main(os.Args[2:]))
//	}
package supervise

import "time"

// Argument is the name of the supervisor's command, by convention.
const Argument = "supervise-process"

// Exit codes of Main besides those of the program.
const (
	CodeUsage   = 125 // no program, or a system without supervisors
	CodeStart   = 127 // the program could not be started
	CodeStopped = 143 // the lifeline ended or the supervisor was told to stop
)

// Grace is how long the program may take to end by itself when it is asked to.
const Grace = 2 * time.Second
