// Loaded into kinesis-local with node --require: its clock is behind the real one by the milliseconds that the file
// CLOCK_FILE holds. An hour of arrival must be over before it can be sealed; records that arrive in an hour that is over
// let a test seal it at once, with no change to what is tested.
'use strict';
const fs = require('fs');
const RealDate = Date;
const real = Date.now.bind(Date);
let behind = 0, read = 0;
function now() {
  const t = real();
  if (t - read > 50) {
    read = t;
    try { behind = Number(fs.readFileSync(process.env.CLOCK_FILE, 'utf8')) || 0; } catch { behind = 0; }
  }
  return t - behind;
}
globalThis.Date = new Proxy(RealDate, {
  construct(target, args, newTarget) { return Reflect.construct(target, args.length ? args : [now()], newTarget === globalThis.Date ? target : newTarget); },
  apply() { return new RealDate(now()).toString(); },
  get(target, property) { return property === 'now' ? now : Reflect.get(target, property); },
});
