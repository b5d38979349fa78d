package asl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/asl"
	"penstock/internal/clock"
)

func TestThousandsOfExecutionsAreQuickAndTheSameEachTime(t *testing.T) {
	once := func() string {
		var log strings.Builder
		var c *clock.Virtual
		invoker := asl.InvokerFunc(func(_ context.Context, call asl.Call) (json.RawMessage, error) {
			clock.Sleep(c, time.Duration(len(call.Name))*time.Millisecond)
			if call.Attempt == 0 {
				return nil, &Conflict{}
			}
			return call.Parameters, nil
		})
		observe := func(o asl.Observation) {
			fmt.Fprintln(&log, o.Moment, o.Name, o.State, o.At.UnixNano(), o.Error)
		}
		inEngine(t, task(`"Retry":[{"ErrorEquals":["Conflict"],"JitterStrategy":"FULL","IntervalSeconds":30}]`),
			asl.Config{Invoker: invoker, Observe: observe, Seed: 42}, func(e *asl.Engine, v *clock.Virtual) {
				c = v
				var all []string
				for i := range 2000 {
					x, err := e.StartExecution(context.Background(), "hour", "", json.RawMessage(fmt.Sprint(i)))
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, x.ARN)
				}
				for _, arn := range all {
					if x, err := e.Wait(-1, arn); err != nil || x.Status != asl.Succeeded {
						t.Fatalf("%+v, %v", x, err)
					}
				}
			})
		return log.String()
	}
	if first, second := once(), once(); first != second {
		t.Error("two runs differ")
	}
}

func TestTheEngineRunsOnTheRealClock(t *testing.T) {
	invoker := asl.InvokerFunc(func(_ context.Context, call asl.Call) (json.RawMessage, error) {
		if call.Attempt == 0 {
			time.Sleep(time.Millisecond)
			return nil, &Conflict{}
		}
		return call.Parameters, nil
	})
	var mu sync.Mutex
	moments := 0
	e := asl.NewEngine(asl.Config{Clock: clock.Real{}, Invoker: invoker, Observe: func(asl.Observation) { mu.Lock(); moments++; mu.Unlock() }})
	definition := mapOf(`"MaxConcurrency":4`, `"S":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:listBuckets","End":true,
		"Retry":[{"ErrorEquals":["Conflict"],"IntervalSeconds":1,"JitterStrategy":"FULL"}]}`)
	if _, err := e.CreateMachine("hour", parse(t, definition)); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			x, err := e.StartExecution(context.Background(), "hour", fmt.Sprint(i), json.RawMessage(`[1,2,3,4,5]`))
			if err == nil && i == 7 {
				_, err = e.StopExecution(x.ARN, "", "")
			}
			if err == nil {
				x, err = e.Wait(10*time.Second, x.ARN)
			}
			if err != nil || i < 7 && string(x.Output) != `[1,2,3,4,5]` || i == 7 && x.Status != asl.Aborted {
				t.Errorf("%+v, %v", x, err)
			}
		})
	}
	wait.Wait()
}
