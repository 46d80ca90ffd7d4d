/** Figures that are no comparison of steps: starts, the host's share, the compiler. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bench, root } from './places.mjs';
import { least, median, number } from './report.mjs';
import { commandOf, start } from './workers.mjs';

const seconds = (ms) => (ms / 1000).toFixed(2);

/** From the start of a process to the end of its first step, of the tabular network. */
export const firstStep = async ({ rounds, ...context }) => {
  const sides = [
    { peer: 'ours', mode: 'auto', label: 'ztrain' },
    { peer: 'torch', mode: 'fused', label: 'PyTorch' },
    { peer: 'keras', mode: 'graph', label: 'Keras' },
  ].map((side) => ({ ...side, name: 'mlp', warmUp: 1, times: [] }));
  for (let round = 0; round < Math.max(3, Math.ceil(rounds / 2)); round += 1) {
    for (const side of sides) {
      const worker = start(commandOf(side, context), context.threads);
      side.times.push(await worker.first());
      worker.kill();
    }
  }
  const [ours, ...others] = sides;
  const targets = { PyTorch: 0.35, Keras: 0.25 };
  return {
    title: 'From the start of the process to the end of the first step',
    head: ['', 'least, s', 'median, s'],
    rows: sides.map(({ label, times }) => [label, seconds(least(times)), seconds(median(times))]),
    notes: others.map(({ label, times }) => {
      const ratio = median(ours.times) / median(times);
      const met = ratio <= targets[label] ? 'met' : 'missed';
      return `ztrain's time as a part of ${label}'s: **${number(ratio)}** (least ${number(least(ours.times) / least(times))}); target at most ${targets[label]}: ${met}`;
    }),
  };
};

/** What a step costs besides the library's call, where the library has next to nothing to do. */
export const hostTime = async ({ rounds, ...context }) => {
  const rows = [];
  for (const mode of ['graph+single', 'xla+single', 'graph', 'xla']) {
    const worker = start(
      commandOf({ peer: 'ours', mode, name: 'tiny', warmUp: 2048 }, context),
      context.threads,
    );
    await worker.first();
    await worker.ready();
    const all = [];
    for (let round = 0; round < Math.max(5, rounds); round += 1) all.push(await worker.take(1024));
    await worker.end();
    const whole = all.map(({ ms, steps }) => ms / steps);
    const host = all.map(({ ms, steps, native }) => (ms - native) / steps);
    rows.push([
      mode.replace('+single', ', one step a call'),
      ...[whole, host].flatMap((of) => [number(least(of)), number(median(of))]),
    ]);
  }
  const worst = Math.max(...rows.map((row) => Number(row[4])));
  return {
    title: 'A model of one weight: milliseconds a step, and of these the host',
    head: ['', 'step, least', 'median', 'host, least', 'median'],
    rows,
    notes: [
      `the host has at most **${number(worst)}** ms a step; target at most 0.15: ${worst <= 0.15 ? 'met' : 'missed'}`,
    ],
  };
};

/** The compiler as a process. */
export const compileTime = async ({ rounds }) => {
  const program = join(root, 'dist', 'ztrainc.mjs');
  const timed = (args) => {
    const times = Array.from({ length: Math.max(3, Math.ceil(rounds / 2)) }, () => {
      const began = performance.now();
      spawnSync(process.execPath, [program, ...args], { cwd: root, stdio: 'ignore' });
      return performance.now() - began;
    });
    return [least(times).toFixed(0), median(times).toFixed(0)];
  };
  const gpt = join(bench, 'specs', 'gpt.ztrain');
  return {
    title: 'ztrainc, milliseconds',
    head: ['', 'least', 'median'],
    rows: [
      ['check of the GPT', ...timed(['check', gpt])],
      ['build of the GPT without the executable', ...timed(['build', '--no-bundle', gpt])],
    ],
    notes: ['against the size of a spec: `npm run bench:check`'],
  };
};
