// Loaded into kinesis-local with node --require: its clock is behind the real one by the milliseconds that the file
// CLOCK_FILE holds. An hour of arrival must be over before it can be sealed; records that arrive in an hour that is over
// let a test seal it at once, with no change to what is tested. Timers go on as they do.
'use strict';
const fs = require('fs');
const performance = require('perf_hooks').performance;
const now = Date.now, origin = performance.timeOrigin;
let behind = 0, read = 0;
function offset() {
  const t = now();
  if (t - read > 50) {
    read = t;
    try { behind = Number(fs.readFileSync(process.env.CLOCK_FILE, 'utf8')) || 0; } catch { behind = 0; }
  }
  return behind;
}
Date.now = () => now() - offset();
Object.defineProperty(performance, 'timeOrigin', { get: () => origin - offset() });
