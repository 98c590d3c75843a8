/**
 * A watchdog thread for calls of user code. The main thread counts up in `beats`. If the counter stands still for the
 * time limit of a call, the code is in an endless loop, and the main thread cannot report it. The watchdog then uses
 * the inspector to interrupt the loop and run `expression` in it. JavaScript, because threads start from this file.
 */
import { Session } from 'node:inspector';
import { workerData } from 'node:worker_threads';

/** @type {{ shared: SharedArrayBuffer, expression: string }} */
const { shared, expression } = workerData;
/** [unfinished calls, heartbeats of the main thread, polls that a call may take] */
const state = new Int32Array(shared);
const POLL_MS = 100;

let still = 0;
let last = 0;
for (;;) {
  Atomics.wait(state, 3, 0, POLL_MS);
  const beats = Atomics.load(state, 1);
  // Polls are counted instead of time, so that a machine that slept does not look like a loop.
  still = Atomics.load(state, 0) > 0 && beats === last ? still + 1 : 0;
  last = beats;
  if (still > Atomics.load(state, 2)) {
    still = 0;
    const session = new Session();
    session.connectToMainThread();
    session.post('Runtime.evaluate', { expression });
    session.disconnect();
  }
}
