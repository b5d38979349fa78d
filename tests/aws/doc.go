// Package aws holds what keeps template.yaml, the state machines and the functions in agreement, and the proof over
// emulators of AWS (make test-aws), which is skipped where no emulator is named by PENSTOCK_AWS_STACK.
package aws
