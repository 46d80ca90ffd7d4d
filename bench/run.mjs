/**
 * Speed against the peers, in one command: `npm run bench`. Sets up the peers in an environment of their own (the first time takes
 * minutes), trains the same models here and there in turns, and prints ratios with their targets.
 *
 *   npm run bench -- [--peers DIR] [--library DIR] [--rounds 8] [--only lenet,gpt] [--seconds 0.7] [--write]
 *
 * `--peers` is a Python environment that has the peers already, `--library` a folder with TensorFlow's libraries; `--write` puts
 * the results into bench/RESULTS.md.
 */
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleWorkers } from './bundles.mjs';
import { cases } from './cases.mjs';
import { setUpPeers, versionsOf } from './environment.mjs';
import { checkpointSpeed, compileTime, firstStep, hostTime } from './figures.mjs';
import { measure } from './measure.mjs';
import { figureTable, report } from './report.mjs';
import { bench } from './places.mjs';

const { values } = parseArgs({
  options: {
    peers: { type: 'string' },
    library: { type: 'string' },
    rounds: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '0.7' },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const wanted = values.only?.split(',');
const isWanted = (name) => wanted === undefined || wanted.includes(name);

const environment = await setUpPeers(values);
const chosen = cases.filter(({ name }) => isWanted(name));
const files = await bundleWorkers([...chosen.map(({ name }) => name), 'mlp', 'tiny']);
const threads = cpus().length;
const context = { ...environment, files, threads };

const started = new Date();
const load = [loadavg()[0]];
const sections = [];
const show = (text) => {
  sections.push(text);
  console.log(`\n${text}`);
};
for (const one of chosen) {
  show(report(one, await measure(one, { ...context, rounds, seconds })));
  load.push(loadavg()[0]);
}
const figures = [
  ['start', firstStep],
  ['host', hostTime],
  ['checkpoint', checkpointSpeed],
  ['compile', compileTime],
];
for (const [name, figure] of figures) {
  if (isWanted(name)) show(figureTable(await figure({ ...context, rounds })));
  load.push(loadavg()[0]);
}

const versions = await versionsOf(environment);
const head = [
  '# Results',
  '',
  'Made by `npm run bench -- --write`; [README.md](README.md) says what is measured and how. Milliseconds a step: the least and the',
  'median of the rounds, and between which values the middle half lies. A ratio is how many times faster ours is than the best of a',
  'peer, medians against medians (and the least against the least); above 1 ours is the faster one.',
  '',
  `- ${started.toISOString().slice(0, 10)}, ${rounds} rounds of about ${seconds} s each`,
  `- ${cpus()[0]?.model.trim()}, ${threads} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  `- ${versions.join(', ')}`,
  `- other programs ran beside it: the load of the machine was between ${Math.min(...load).toFixed(1)} and ${Math.max(...load).toFixed(1)}`,
  '',
];
if (values.write)
  await writeFile(join(bench, 'RESULTS.md'), `${head.join('\n')}\n${sections.join('\n\n')}\n`);
