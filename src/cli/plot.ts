/** `ztrainc plot`: the curves of runs, in the terminal or as an SVG file. */
import { lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { reasonOf } from '../node-host.js';
import { PlotError, type RunCurves } from '../plot/curves.js';
import { figureOf } from '../plot/figure.js';
import { readRun, runsOfSweep } from '../plot/read-run.js';
import { svgOf } from '../plot/svg.js';
import { textOf } from '../plot/text.js';
import { Misuse, exits, streams, wantsColor } from './streams.js';

export interface PlotOptions {
  readonly metrics?: string;
  readonly out?: string;
  readonly x: 'step' | 'epoch' | 'time';
  readonly smooth?: string;
  readonly log?: boolean;
}

const listOf = (text: string): readonly string[] => {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0)
    throw new Misuse(`--metrics needs names, such as loss,validate.accuracy; got "${text}"`);
  return names;
};

const countOf = (text: string): number => {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || !Number.isSafeInteger(count))
    throw new Misuse(`--smooth takes the number of points to average, at least 1, got ${text}`);
  return count;
};

/** All that can be drawn. A run that has measured nothing is told of where others have. */
const readAll = async (folders: ReadonlyMap<string, string>): Promise<readonly RunCurves[]> => {
  const runs: RunCurves[] = [];
  const missing: PlotError[] = [];
  for (const [folder, label] of folders) {
    try {
      runs.push({ ...(await readRun(folder)), label });
    } catch (error) {
      if (!(error instanceof PlotError) || error.kind !== 'missing') throw error;
      missing.push(error);
    }
  }
  const [first] = missing;
  if (first !== undefined && runs.length === 0) throw first;
  for (const { message } of missing) streams.say(`note: ${message}`);
  return runs;
};

/** What stands there stays whole until all of the new one is on the disk; a link or a device is written through. */
const write = (out: string, text: string): void => {
  const found = lstatSync(out, { throwIfNoEntry: false });
  if (found !== undefined && !found.isFile()) {
    writeFileSync(out, text);
    return;
  }
  const temporary = `${out}.tmp-${process.pid}`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, out);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
};

/** As a shell completes it. */
const withoutEnd = (path: string): string => (path.length > 1 ? path.replace(/[\\/]+$/, '') : path);

const draw = async (paths: readonly string[], options: PlotOptions): Promise<void> => {
  const { out } = options;
  if (out !== undefined && !out.endsWith('.svg'))
    throw new Misuse(`--out takes the name of an SVG file, such as curves.svg, got ${out}`);
  const smooth = options.smooth === undefined ? 1 : countOf(options.smooth);
  const metrics = options.metrics === undefined ? null : listOf(options.metrics);
  // One that is named twice is drawn once, by what its sweep says of it.
  const folders = new Map<string, string>();
  for (const path of paths.map(withoutEnd))
    for (const { path: folder, label } of runsOfSweep(path) ?? [{ path, label: '' }])
      folders.set(folder, label === '' ? (folders.get(folder) ?? '') : label);
  const runs = await readAll(folders);
  if (runs.length === 0) throw new PlotError(`${paths.join(', ')} holds no run that has begun`, 'missing');
  const figure = figureOf(runs, { metrics, along: options.x, smooth, log: options.log ?? null });
  if (out === undefined) {
    const terminal = process.stdout.isTTY === true;
    const columns = terminal ? process.stdout.columns : 80;
    const color = wantsColor(terminal, process.env);
    for (const line of textOf(figure, { columns, color })) streams.print(line);
    return;
  }
  try {
    write(out, svgOf(figure));
  } catch (error) {
    const reason = reasonOf(error);
    const room = /disk/.test(reason) ? 'free some space, or ' : '';
    throw new PlotError(`cannot write ${out}: ${reason}; ${room}choose another --out`, 'broken');
  }
  streams.say(`wrote ${out}`);
};

export const plotCommand = async (paths: readonly string[], options: PlotOptions): Promise<number> => {
  try {
    await draw(paths, options);
    return exits.well;
  } catch (error) {
    if (!(error instanceof PlotError)) throw error;
    if (error.kind === 'misuse') throw new Misuse(error.message);
    streams.say(`error: ${error.message}`);
    return exits.runFailed;
  }
};
