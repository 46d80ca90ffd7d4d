/**
 * Speed against the peers, in one command: `npm run bench`. Sets up the peers in an environment of their own (the first time takes
 * minutes), trains the same models here and there in turns, and prints ratios with their targets.
 *
 *   npm run bench -- [--peers DIR] [--library DIR] [--rounds 8] [--only lenet,gpt] [--seconds 0.7] [--write]
 *
 * `--peers` is a Python environment that has the peers already, `--library` a folder with TensorFlow's libraries; `--write` puts
 * the results into bench/RESULTS.md, in place of those of the same name.
 */
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleWorkers } from './bundles.mjs';
import { cases } from './cases.mjs';
import { setUpLayers, setUpPeers, versionsOf } from './environment.mjs';
import { compileTime, firstStep, hostTime } from './figures.mjs';
import { measure } from './measure.mjs';
import { figureTable, report } from './report.mjs';
import { head, readHead, readSections } from './results.mjs';
import { bench } from './places.mjs';
import { checkpointSpeed } from './saving.mjs';

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
const results = join(bench, 'RESULTS.md');
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const wanted = values.only?.split(',');
const isWanted = (name) => wanted === undefined || wanted.includes(name);

const chosen = cases.filter(({ name }) => isWanted(name));
// What is measured of ztrain alone needs none of the peers.
const isAlone = chosen.length === 0 && values.library !== undefined;
const environment = isAlone ? { python: null, library: values.library } : await setUpPeers(values);
const hasTfjs = chosen.some(({ peers }) => 'tfjs' in peers);
const files = await bundleWorkers(
  [...chosen.map(({ name }) => name), 'mlp', 'tiny'],
  hasTfjs ? setUpLayers() : null,
);
const threads = cpus().length;
const context = { ...environment, files, threads };

const sections = values.write ? await readSections(results) : new Map();
const load = [loadavg()[0]];
const versions = await versionsOf(environment);
const show = async (text) => {
  console.log(`\n${text}`);
  load.push(loadavg()[0]);
  const [title] = text.split('\n', 1);
  const loads = `load of the machine ${Math.min(...load).toFixed(1)} to ${Math.max(...load).toFixed(1)}`;
  const when = `${new Date().toISOString().slice(0, 10)}, ${rounds} rounds of about ${seconds} s, ${loads}; ${versions[0]}`;
  sections.set(title, `${text}\n\n${when}`);
  load.splice(0, load.length - 1);
  // What is measured is kept, whatever comes after it.
  if (values.write)
    await writeFile(
      results,
      `${[isAlone ? await readHead(results) : head(versions), ...sections.values()].join('\n\n')}\n`,
    );
};
for (const one of chosen) await show(report(one, await measure(one, { ...context, rounds, seconds })));
const figures = [
  ['start', firstStep],
  ['host', hostTime],
  ['checkpoint', checkpointSpeed],
  ['compile', compileTime],
];
for (const [name, figure] of figures) {
  if (isWanted(name)) await show(figureTable(await figure({ ...context, rounds })));
}
