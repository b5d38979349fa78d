// Package asl runs state machines written in the Amazon States Language, the JSONPath dialect, as
// Step Functions does (Standard workflows), on a clock.Clock and with tasks that the caller
// answers. The files it runs are the files that are deployed.
//
// Parse loads a definition and refuses everything that the package does not implement, by name: a
// field, a state type, a function, a resource, a path form. Nothing is ever ignored. Engine holds
// machines and runs executions of them; every execution keeps a history in Step Functions' event
// shapes. Simulate runs one definition with mocked tasks under a virtual clock.
//
// # What is implemented
//
// Task, Pass, Wait, Choice, Map (INLINE), Parallel, Succeed and Fail with InputPath, Parameters,
// ItemSelector, ResultSelector, ResultPath, OutputPath, Retry, Catch, the timeouts, the context
// object ($$) and all intrinsic functions. Not implemented, and refused: JSONata and variables
// (Assign), Distributed Map with its fields, the older Map fields Iterator and Parameters,
// Credentials, activities, .sync and .waitForTaskToken, and every integration that is not a
// Lambda function, lambda:invoke or aws-sdk.
//
// # Where AWS is not exactly what its documentation says
//
// The package follows what Step Functions was recorded to do:
//
//   - A path in Parameters or ResultSelector that finds nothing ends the execution with
//     States.Runtime, which no Catch catches, not even one that names it. (The States Language
//     calls this States.ParameterPathFailure. A Catch that names it is accepted and never needed.)
//   - States.DataLimitExceeded is not caught by States.ALL, as documented; a Catch that names it
//     gets it. (AWS has been seen to catch it by States.ALL when a task's result is what is too
//     big. A machine must not rely on either.)
//   - The error of a Map or Parallel state is that of the branch that failed first. A Retry or
//     Catch of such a state may also call it States.BranchFailed.
//   - A missed heartbeat is States.HeartbeatTimeout and is matched by States.Timeout as well.
//
// Known differences: objects have no order of members, so a wildcard over an object goes by
// sorted names; States.MathRandom with a seed and States.UUID draw from this package's source;
// States.Format refuses arrays and objects as arguments.
//
// # Values
//
// JSON values are nil, bool, json.Number, string, []any and map[string]any. Numbers keep the text
// they came with. A value is never changed once it has been made, so parts are shared freely.
package asl
