/**
 * `ztrainc verify-resume`: trains once undisturbed, and once killed at random moments and resumed each time, and compares what the two
 * came to.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { evaluateIr } from '../checker/evaluate.js';
import { weightsGoOn } from '../parser/messages.gen.js';
import { parseOverride } from '../values/overrides.js';
import { differencesOf } from './compare-runs.js';
import { reportDiagnostics } from './report.js';
import { settingsOf } from './settings.js';
import { checkSpec, findSpec } from './specs.js';
import { Misuse, exits, streams } from './streams.js';
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

/** When a run is killed: so many milliseconds after its folder has a checkpoint of this step, or after it was started (step 0). */
interface Kill {
  readonly run: string;
  readonly step: number;
  readonly after: number;
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

const pollMilliseconds = 10;

/** How often the run may come to its end before all of the kills were made. */
const mostEnds = 5;

/** Runs this program with other words. It is killed as `kill` says unless it ends before. */
const runSelf = (words: readonly string[], kill: Kill | null): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const since = performance.now();
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (part: Buffer) => {
      text = `${text}${part.toString('utf8')}`.slice(-4000);
    });
    let isOver = false;
    const watch = (): void => {
      if (isOver || kill === null) return;
      const isThere = lastStepOf(kill.run) >= kill.step;
      setTimeout(isThere ? () => child.kill('SIGKILL') : watch, isThere ? kill.after : pollMilliseconds);
    };
    watch();
    child.on('error', reject);
    child.on('close', (code) => {
      isOver = true;
      resolve({ code, seconds: (performance.now() - since) / 1000, text });
    });
  });

const whole = (name: string, text: string, least: number): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Misuse(`${name} takes a whole number of at least ${least}, got ${text}`);
  return value;
};

/** Steps of a run that has ended, and the seconds that it trained. */
const lengthOf = (run: string): { readonly steps: number; readonly seconds: number } => {
  const summary: unknown = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8'));
  if (typeof summary !== 'object' || summary === null || !('steps' in summary) || !('seconds' in summary))
    return { steps: 0, seconds: 0 };
  return { steps: Number(summary.steps), seconds: Number(summary.seconds) };
};

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

const ended = ({ code, text }: Ended): string => `${text}\nit ended with exit code ${code ?? 'none'}`;

export const verifyResumeCommand = async (
  spec: string,
  words: readonly string[],
  options: VerifyOptions,
): Promise<number> => {
  const kills = whole('--kills', options.kills ?? '5', 1);
  const isTimed = waysByClock(spec, words);
  if (typeof isTimed === 'number') return isTimed;
  const folder = options.out ?? mkdtempSync(join(tmpdir(), 'ztrain-verify-'));
  const [undisturbed, killed] = [join(folder, 'undisturbed'), join(folder, 'killed')];
  for (const run of [undisturbed, killed])
    if (existsSync(run)) throw new Misuse(`${run} is there already; choose another --out, or remove it`);
  const has = (name: string): boolean => words.some((word) => word.startsWith(`${name}=`));
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
  try {
    const first = await runSelf([...base, `--run-dir=${undisturbed}`], null);
    if (first.code !== 0) {
      streams.say(`error: the run without kills did not end well:\n${ended(first)}`);
      return exits.runFailed;
    }
    const { steps, seconds } = lengthOf(undisturbed);
    const every =
      options.every === undefined
        ? Math.max(1, Math.floor(steps / (3 * kills)))
        : whole('--every', options.every, 1);
    streams.say(
      `undisturbed: ${counted(steps, 'step')} in ${first.seconds.toFixed(1)} s; the other run saves ${every === 1 ? 'each step' : `each ${every} steps`} and is killed ${kills === 1 ? 'once' : `${kills} times`}`,
    );
    const saving = has('checkpoint.every') ? [] : [`checkpoint.every=${every}.steps`];
    const again = [...base, ...saving, `--run-dir=${killed}`, '--resume=auto'];
    /** Whether a run that has come to its end came to the same; what differs is said. */
    const isEqual = async (): Promise<boolean> => {
      const differences = await differencesOf(undisturbed, killed);
      for (const line of differences) streams.say(`differs: ${line}`);
      return differences.length === 0;
    };
    /** How long it takes from its start to its first step. */
    const starting = 1000 * Math.max(0, first.seconds - seconds);
    let done = 0;
    let ends = 0;
    while (done < kills) {
      // With some kills, the first comes while it gets ready, and then each third: while it begins, and while it goes on.
      const isAtStart = kills >= 3 && done % 3 === 0;
      // Else somewhere in its part of the run: any moment between two checkpoints, while one is written too.
      const wanted = Math.floor((steps * (done + Math.random())) / kills) - every;
      // After it has saved something of its own, and before the last checkpoint, where nothing is left to lose.
      const step = Math.max(1, Math.min(Math.max(wanted, lastStepOf(killed) + 1), steps - 1));
      // One that was faster than the other is killed as soon as it has saved something.
      const after = ends > 0 ? 0 : Math.random() * ((1000 * seconds) / steps) * every;
      const kill = isAtStart
        ? { run: killed, step: 0, after: Math.random() * starting }
        : { run: killed, step: ends > 0 ? lastStepOf(killed) + 1 : step, after };
      const last = await runSelf(again, kill);
      if (last.code === 0) {
        if (!(await isEqual())) {
          streams.say(`the runs are in ${folder}`);
          return exits.runFailed;
        }
        ends += 1;
        if (ends > mostEnds) break;
        // What is left of the kills falls into another run.
        rmSync(killed, { recursive: true, force: true });
        continue;
      }
      if (last.code !== null) {
        streams.say(`error: a resumed run did not end well:\n${ended(last)}`);
        return exits.runFailed;
      }
      done += 1;
      const when = isAtStart ? 'while it got ready' : `after step ${lastStepOf(killed)} was saved`;
      streams.say(`kill ${done} of ${kills} ${when}`);
    }
    if (done < kills) {
      streams.say(
        `error: the run was killed ${counted(done, 'time')} of ${kills}, it ended too soon each other time. Take more steps, a smaller --every, or fewer --kills`,
      );
      return exits.runFailed;
    }
    const last = await runSelf(again, null);
    if (last.code !== 0) {
      streams.say(`error: the last resumed run did not end well:\n${ended(last)}`);
      return exits.runFailed;
    }
    if (!(await isEqual())) {
      streams.say(`the runs are in ${folder}`);
      return exits.runFailed;
    }
    streams.print(
      `${counted(done, 'kill')}, ${counted(steps, 'step')}: the last checkpoints are equal byte for byte, and every line of metrics but for times`,
    );
    if (options.out === undefined) rmSync(folder, { recursive: true, force: true });
    return exits.well;
  } catch (error) {
    streams.say(`the runs are in ${folder}`);
    throw error;
  }
};
