/** All sides of a case in turns: each takes steps for a moment while the others wait, again and again. */
import { commandOf, start } from './workers.mjs';

/** Steps that are taken together by the ways that do so: a round is a whole number of these. */
const together = 32;

export const sidesOf = ({ name, ours, peers, warmUp }) => [
  ...ours.map((mode) => ({ peer: 'ours', mode, name, warmUp })),
  ...Object.entries(peers).flatMap(([peer, modes]) => modes.map((mode) => ({ peer, mode, name, warmUp }))),
];

const loops = ({ peer, mode }) => (peer === 'ours' ? !mode.includes('single') : mode.includes('*'));

/** Steps that take about so many seconds, by what the last ones took. */
const stepsOf = (side, seconds) => {
  const each = side.last.ms / side.last.steps;
  const fit = Math.max(2, Math.round((seconds * 1000) / each));
  return loops(side) && each < 20 ? Math.max(together, Math.round(fit / together) * together) : fit;
};

/** Rounds of each side: milliseconds a step. A side that does not start has an error instead. */
export const measure = async (one, { rounds, seconds, ...context }) => {
  const sides = [];
  for (const side of sidesOf(one)) {
    process.stderr.write(`${one.name}: ${side.peer} ${side.mode}\n`);
    const worker = start(commandOf(side, context), context.threads);
    try {
      const first = await worker.first();
      const ready = await worker.ready();
      sides.push({
        ...side,
        worker,
        first,
        peak: ready.peak,
        times: [],
        processor: [],
        natives: [],
        last: ready,
      });
    } catch (error) {
      worker.kill();
      sides.push({ ...side, worker: null, error: error.message, times: [] });
    }
  }
  const live = sides.filter(({ worker }) => worker !== null);
  for (const side of live) side.last = await side.worker.take(loops(side) ? together : 2);
  for (let round = 0; round < rounds; round += 1) {
    // The order turns, so that nobody is always the first after a pause.
    for (let at = 0; at < live.length; at += 1) {
      const side = live[(at + round) % live.length];
      side.last = await side.worker.take(stepsOf(side, seconds));
      const { ms, steps, native, cpu, peak } = side.last;
      side.processor.push(cpu / steps);
      side.times.push(ms / steps);
      if (typeof native === 'number') side.natives.push(native / steps);
      side.peak = peak;
    }
    process.stderr.write(`${one.name}: round ${round + 1} of ${rounds}\n`);
  }
  for (const { worker } of live) await worker.end();
  return sides;
};
