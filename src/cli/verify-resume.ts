/**
 * `ztrainc verify-resume`: trains once undisturbed, and once killed at random moments and resumed each time, and compares what the two
 * came to.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { evaluateIr } from '../checker/evaluate.js';
import { weightsGoOn } from '../parser/messages.gen.js';
import { record } from '../values/json-record.js';
import { parseOverride } from '../values/overrides.js';
import { differencesOf } from './compare-runs.js';
import { killsOf, type Timeline } from './kill-plan.js';
import { beforeSignalEnds } from './on-signals.js';
import { reportDiagnostics } from './report.js';
import { settingsOf } from './settings.js';
import { checkSpec, findSpec } from './specs.js';
import { Misuse, exits, streams } from './streams.js';
import type { StepTime, Watch } from './watched-run.js';
import { counted } from '../values/counted.js';

export interface VerifyOptions {
  readonly kills?: string;
  readonly every?: string;
  readonly engine?: string;
  readonly dataRoot?: string;
  readonly forcePrecision?: boolean;
  /** Keeps the runs in this folder. */
  readonly out?: string;
}

/** How a run ended: its exit code, or null where it was killed. */
interface Ended {
  readonly code: number | null;
  readonly seconds: number;
  readonly text: string;
}

/** The step of a run's last checkpoint; 0 where there is none. */
const lastStepOf = (run: string): number => {
  try {
    const name = readFileSync(join(run, 'checkpoints', 'last'), 'utf8');
    return Number(/\d+/.exec(name)?.[0] ?? 0);
  } catch {
    return 0;
  }
};

/** How often the run may be killed where that shows nothing, or come to its end, before all of the kills were made. */
const mostMisses = 8;

/** What is running, to be ended with this process. */
const children = new Set<ChildProcess>();

/** Runs this program with other words, watched. */
const runSelf = (words: readonly string[], watch: Watch): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const since = performance.now();
    const self = [...process.execArgv, process.argv[1] ?? '', 'watched-run', JSON.stringify(watch)];
    const child = spawn(process.execPath, [...self, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
    children.add(child);
    let text = '';
    child.stderr.on('data', (part: Buffer) => {
      text = `${text}${part.toString('utf8')}`.slice(-4000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      children.delete(child);
      resolve({ code, seconds: (performance.now() - since) / 1000, text });
    });
  });

const whole = (name: string, text: string, least: number): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Misuse(`${name} takes a whole number of at least ${least}, got ${text}`);
  return value;
};

/** When each step of the run without kills was trained, from what it wrote. */
const timelineOf = (file: string): Timeline => {
  const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const times = Array.isArray(read) ? read.filter(isStepTime) : [];
  return { steps: times.at(-1)?.[0] ?? 0, times };
};

const isStepTime = (value: unknown): value is StepTime =>
  Array.isArray(value) && value.length === 2 && value.every((each) => typeof each === 'number');

/**
 * Whether the spec leaves the native engine's way to the clock; the exit code where something is wrong with the spec, or its checkpoints
 * are nothing to go on from, which has been printed. Throws where something is wrong with the words.
 */
const waysByClock = (path: string, words: readonly string[]): boolean | number => {
  const spec = findSpec(path);
  const checked = checkSpec(spec);
  if (reportDiagnostics(checked)) return exits.diagnostics;
  const { ir } = checked;
  if (ir === null || ir.trainer === null)
    throw new Misuse(`${spec.shown} has no trainer; verify a spec that imports it`);
  const { trainer, names } = settingsOf(ir.trainer, ir, words.map(parseOverride));
  const saving = trainer.addons.find(({ name, module }) => name === 'checkpoint' && module === null);
  const alone = saving?.options.find(({ name }) => name === 'weights_only')?.value;
  if (alone !== undefined && evaluateIr(alone, names) === true) {
    const help = 'leave it out: a run whose checkpoints hold weights only is not resumed';
    reportDiagnostics({ ...checked, diagnostics: [weightsGoOn(alone.span, { help })] });
    return exits.diagnostics;
  }
  const compile = trainer.options.find(({ name }) => name === 'compile');
  return compile === undefined || evaluateIr(compile.value, names) === 'auto';
};

const reasonOf = ({ code, text }: Ended): string =>
  code === null ? `${text}\nit was killed by somebody else` : `${text}\nit ended with exit code ${code}`;

/** Who writes there may be about to end only. */
const remove = (path: string): void =>
  rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });

/** `1`, `1 and 2`, `1, 2 and 3`. */
const listOf = (numbers: readonly number[]): string =>
  numbers.length < 2
    ? numbers.join('')
    : `${numbers.slice(0, -1).join(', ')} and ${numbers[numbers.length - 1]}`;

/** A kill that was made: steps that were trained and that were saved by then; `trained` is null where it got ready. */
interface Made {
  readonly trained: number | null;
  readonly saved: number;
}

const shownKill = ({ trained, saved }: Made): string => {
  if (trained === null)
    return saved === 0 ? 'while it got ready' : `while it got ready to go on from step ${saved}`;
  return `after step ${trained}, of which step ${saved} was saved`;
};

/** What the kills have shown, in words. */
const shownKills = (made: readonly Made[]): string => {
  const within = made.filter(({ trained }) => trained !== null);
  const apart = made.length - within.length;
  const inTraining =
    within.length === 0
      ? []
      : [
          `${within.length} while it trained, after step${within.length === 1 ? '' : 's'} ${listOf(within.map(({ trained }) => trained ?? 0))}, gone on from ${listOf(within.map(({ saved }) => saved))}`,
        ];
  return [...(apart === 0 ? [] : [`${apart} while it got ready`]), ...inTraining].join('; ');
};

export const verifyResumeCommand = async (
  spec: string,
  words: readonly string[],
  options: VerifyOptions,
): Promise<number> => {
  const kills = whole('--kills', options.kills ?? '5', 1);
  const isTimed = waysByClock(spec, words);
  if (typeof isTimed === 'number') return isTimed;
  const folder = options.out ?? mkdtempSync(join(tmpdir(), 'ztrain-verify-'));
  const tellRuns = (): void => {
    if (readdirSync(folder).length > 0) streams.say(`the runs are in ${folder}`);
    else if (options.out === undefined) remove(folder);
  };
  const forget = beforeSignalEnds((signal) => {
    for (const child of children) child.kill('SIGKILL');
    if (options.out === undefined) remove(folder);
    const left = options.out === undefined ? 'nothing of the runs is left' : `the runs are in ${folder}`;
    streams.say(`${signal}: nothing is shown; ${left}`);
  });
  try {
    const code = await verify(spec, words, folder, kills, isTimed, options);
    if (code === exits.well && options.out === undefined) remove(folder);
    else if (code !== exits.well) tellRuns();
    return code;
  } catch (error) {
    if (error instanceof Misuse && options.out === undefined) remove(folder);
    else if (!(error instanceof Misuse)) tellRuns();
    throw error;
  } finally {
    forget();
  }
};

/** The step that `checkpoint.every=…` saves first, of a run as the undisturbed one is; 0 where that is not known: it goes by time. */
const firstSaveOf = (given: string, undisturbed: string): number => {
  const [, count = '0', unit = ''] = /=([\d_]+)\.(step|epoch)s?$/.exec(given) ?? [];
  const { pace } = record('run.json', JSON.parse(readFileSync(join(undisturbed, 'run.json'), 'utf8')));
  const each = unit === 'epoch' ? Number(record('pace', pace)['stepsPerEpoch']) : 1;
  return Number(count.replaceAll('_', '')) * each;
};

const verify = async (
  spec: string,
  words: readonly string[],
  folder: string,
  kills: number,
  isTimed: boolean,
  options: VerifyOptions,
): Promise<number> => {
  const [undisturbed, killed] = [join(folder, 'undisturbed'), join(folder, 'killed')];
  const [times, report] = [join(folder, 'times.json'), join(folder, 'kill')];
  for (const run of [undisturbed, killed])
    if (existsSync(run)) throw new Misuse(`${run} is there already; choose another --out, or remove it`);
  const asked = options.every === undefined ? null : whole('--every', options.every, 1);
  mkdirSync(folder, { recursive: true });
  const given = words.findLast((word) => word.startsWith('checkpoint.every='));
  const base = [
    'run',
    spec,
    ...words,
    // Which of the native engine's ways is the fastest is found by the clock, which is another one each time.
    ...(isTimed ? ['trainer.compile=graph'] : []),
    '--no-sweep',
    ...(options.engine === undefined ? [] : [`--engine=${options.engine}`]),
    ...(options.dataRoot === undefined ? [] : [`--data-root=${options.dataRoot}`]),
    ...(options.forcePrecision === true ? ['--force-precision'] : []),
  ];
  const first = await runSelf([...base, `--run-dir=${undisturbed}`], { times });
  if (first.code !== 0) {
    streams.say(`error: the run without kills did not end well:\n${reasonOf(first)}`);
    return exits.runFailed;
  }
  const timeline = timelineOf(times);
  const { steps } = timeline;
  const every = asked ?? Math.max(1, Math.floor(steps / (3 * kills)));
  streams.say(
    `undisturbed: ${counted(steps, 'step')} in ${first.seconds.toFixed(1)} s; the other run saves ${given === undefined ? (every === 1 ? 'each step' : `each ${every} steps`) : `as ${given} says`} and is killed ${kills === 1 ? 'once' : `${kills} times`}`,
  );
  const saving = given === undefined ? [`checkpoint.every=${every}.steps`] : [];
  const again = [...base, ...saving, `--run-dir=${killed}`, '--resume=auto'];
  /** Whether a run that has come to its end came to the same; what differs is said. */
  const isEqual = async (): Promise<boolean> => {
    const differences = await differencesOf(undisturbed, killed);
    for (const line of differences) streams.say(`differs: ${line}`);
    return differences.length === 0;
  };
  const made: Made[] = [];
  let misses = 0;
  const firstSave = given === undefined ? every : firstSaveOf(given, undisturbed);
  for (const next of killsOf(kills, timeline, firstSave)) {
    for (;;) {
      rmSync(report, { force: true });
      const last = await runSelf(again, { report, ...next() });
      if (last.code === 0) {
        if (!(await isEqual())) return exits.runFailed;
        // What is left of the kills falls into another run.
        remove(killed);
      } else if (last.code !== null || !existsSync(report)) {
        streams.say(`error: a resumed run did not end well:\n${reasonOf(last)}`);
        return exits.runFailed;
      } else {
        const told = readFileSync(report, 'utf8');
        const kill = { trained: told === 'ready' ? null : Number(told), saved: lastStepOf(killed) };
        // Of one before anything was saved, or after all was, no state shows anything.
        if (kill.trained === null || (kill.saved > 0 && kill.saved < steps)) {
          made.push(kill);
          streams.say(`kill ${made.length} of ${kills} ${shownKill(kill)}`);
          break;
        }
        streams.say(
          kill.saved === 0
            ? `a kill after step ${kill.trained}, before anything was saved, is not counted`
            : 'a kill after the last step was saved is not counted',
        );
        if (kill.saved > 0) remove(killed);
      }
      misses += 1;
      if (misses > mostMisses) {
        streams.say(
          `error: the run was killed ${counted(made.length, 'time')} of ${kills}: each other time it had saved nothing, or was at its end. Take more steps, ${given === undefined ? 'a smaller --every' : 'another checkpoint.every'}, or fewer --kills`,
        );
        return exits.runFailed;
      }
    }
  }
  const last = await runSelf(again, { times });
  if (last.code !== 0) {
    streams.say(`error: the last resumed run did not end well:\n${reasonOf(last)}`);
    return exits.runFailed;
  }
  if (!(await isEqual())) return exits.runFailed;
  streams.print(
    `${counted(made.length, 'kill')}, ${counted(steps, 'step')}: the last checkpoints are equal byte for byte, and every line of metrics but for times (${shownKills(made)})`,
  );
  return exits.well;
};
