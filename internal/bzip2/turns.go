package bzip2

// turns lets more jobs be under way than may run at a time. A job holds a turn while it runs and passes it on at the
// end of each phase of its work, to the job that has waited longest. So three blocks take two goroutines the time of
// one block and a half: cut into whole blocks the work would take them the time of two.
//
// A nil turns is for work that nothing else waits for.
type turns chan struct{}

func newTurns(n int) turns {
	t := make(turns, n)
	for range n {
		t <- struct{}{}
	}
	return t
}

// take waits for a turn.
func (t turns) take() {
	if t != nil {
		<-t
	}
}

// give ends a turn.
func (t turns) give() {
	if t != nil {
		t <- struct{}{}
	}
}

// pass lets those that wait go first. It costs next to nothing where nobody does.
func (t turns) pass() {
	if t != nil {
		t <- struct{}{}
		<-t
	}
}
