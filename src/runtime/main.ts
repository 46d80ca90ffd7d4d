/**
 * The command line of an executable: `[train] | test | predict`, params as `name=value`, attributes as
 * `owner.option=value`. What a program reads goes to stdout, everything else to stderr.
 */
import { LengthError } from '../values/durations.js';
import { didYouMean } from '../values/near.js';
import { parseOverride, refuseTwice, UsageError, type Override } from '../values/overrides.js';
import { optionTable } from '../values/options.gen.js';
import { fileError } from './checkpoint/files.js';
import { withCheckpoint, type Checkpoint } from './checkpoint/read.js';
import { DataError } from './data/data-error.js';
import { isRowWorker, offerTrainer } from './data/row-worker.js';
import { paramsOf } from './go-on.js';
import { helpText, versionText } from './help.js';
import { metricLines, refuseJson, RowPrinter, type NamedTable } from './printed.js';
import { wordColumns, writeWords, type LineStream } from './progress/reporter.js';
import type { Table } from './rows/reduction.js';
import { RunError } from './run/run-error.js';
import { TensorFlowError } from './engine/tensorflow/status.js';
import { engineNames, type EngineName } from './engine/choose.js';
import { Control, type StopSignal } from './trainer/control.js';
import { signalCodes } from '../values/signals.js';
import { parseParam } from './trainer/params.js';
import { runPredict, runTest, type RunOptions } from './trainer/run.js';
import type { ParamValue, TrainerSpec } from './trainer/spec.js';
import type { Outputs } from './trainer/stage.js';
import { reachedHeirs } from './trainer/reached-heirs.js';
import { attributesOfRun, isOtherSpec, otherCode, trainedWith } from './trainer/trained-with.js';
import type { TrainerClass } from './trainer/trainer.js';
import { trainCommand } from './train-command.js';

/** A line that a person reads. */
const note = ({ stderr }: MainIo, line: string): void => writeWords(stderr, line);

/** The process as `main` sees it. */
export interface MainIo {
  readonly stdout: LineStream;
  readonly stderr: LineStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Calls back at each SIGINT, SIGTERM and SIGHUP. Returns what stops listening. */
  onSignal(listener: (signal: StopSignal) => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
  /** How each command is called, for help and messages; the executable's own name unless given. */
  readonly program?: (command: 'train' | 'test' | 'predict') => string;
  /** The executable as a reader would call it from here: `./digits.mjs`. */
  readonly called?: string;
  /** Where relative data paths start unless the command line says it; the current folder unless given. */
  readonly dataRoot?: string;
  /** Codes of warnings that were told of this spec, and that hold for this run as they were told. */
  readonly warned?: readonly string[];
  /** What draws a run's curves, `ztrainc plot`, for who has it. */
  readonly plot?: string;
}

/** The exit code of a run that failed. */
const runFailed = 3;

/** Milliseconds that what nobody waits for has to come to its end, once all is saved. */
const leftAlone = 1000;

const processIo: MainIo = {
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  onSignal: (listener) => {
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    signals.forEach((signal) => process.on(signal, listener));
    return () => signals.forEach((signal) => process.off(signal, listener));
  },
  exit: (code) => process.exit(code),
};

interface Arguments {
  readonly command: 'train' | 'test' | 'predict' | 'help' | 'version';
  readonly params: readonly Override[];
  readonly attributes: readonly Override[];
  readonly runDir: string | undefined;
  readonly dataRoot: string | undefined;
  readonly from: string | undefined;
  /** `auto`, `none`, or a path. */
  readonly resume: string | undefined;
  readonly allow: readonly string[];
  readonly engine: string | undefined;
  readonly device: string | undefined;
  readonly forcePrecision: boolean;
  readonly devRun: number | null;
  readonly noSweep: boolean;
  readonly json: boolean;
}

/**
 * Runs a trainer from a command line and returns the exit code: 0 well, 2 misuse, 3 the run failed, 130 and 143 after a
 * signal (state saved).
 */
export async function main(
  trainerClass: TrainerClass,
  argv: readonly string[] = process.argv.slice(2),
  given: Partial<MainIo> = {},
): Promise<number> {
  // In a worker the same module is imported for its data sets.
  if (isRowWorker()) {
    offerTrainer(trainerClass);
    return 0;
  }
  const io: MainIo = { ...processIo, ...given };
  const { spec } = trainerClass;
  const control = new Control();
  if (io.stdout === process.stdout) outliveReaders();
  /** What a run that failed leaves to be said. */
  const left: string[] = [];
  /** What could not be closed once all was done. */
  const unclosed: RunError[] = [];
  let asked = 0;
  const stopListening = io.onSignal((signal) => {
    asked += 1;
    control.stop(signal);
    if (asked === 1) {
      io.stderr.write('\n');
      note(io, `${signal}: finishing the step and saving; once more to end at once`);
    } else {
      io.stderr.write('\n');
      if (!control.endAtOnce(signal)) io.stderr.write(`ended at once by ${signal}\n`);
      io.exit(signalCodes[signal]);
    }
  });
  try {
    const names = spec.params.map(({ name }) => name);
    const args = readArguments(argv, names, (name) => attributesNamed(trainerClass, name));
    if (args.command === 'help')
      io.stdout.write(
        helpText(spec, { program: io.program, called: io.called, columns: wordColumns(io.stdout) }),
      );
    else if (args.command === 'version') io.stdout.write(versionText(spec));
    else {
      const signal = await runCommand(trainerClass, args, io, {
        control,
        failed: (line) => left.push(line),
        notClosed: (error) => unclosed.push(error),
      });
      for (const error of unclosed) fail(spec, error, io);
      if (signal !== null) {
        const code = signalCodes[signal];
        if (control.leavesWork) setTimeout(() => io.exit(code), leftAlone).unref();
        return code;
      }
    }
    return unclosed.length === 0 ? 0 : runFailed;
  } catch (error) {
    const code = fail(spec, error, io);
    for (const line of left) io.stderr.write(`${line}\n`);
    return code;
  } finally {
    stopListening();
  }
}

/** Who reads rows may stop early (`| head`): that ends the program. Who reads progress may leave: the run goes on. */
function outliveReaders(): void {
  const isGone = (error: Error): boolean => 'code' in error && error.code === 'EPIPE';
  process.stdout.on('error', (error) => {
    if (!isGone(error))
      process.stderr.write(
        `error: ${fileError('cannot write to stdout', error, 'another place for it').message}\n`,
      );
    process.exit(isGone(error) ? 0 : 3);
  });
  process.stderr.on('error', () => undefined);
}

function fail(spec: TrainerSpec<never>, error: unknown, io: MainIo): number {
  const message = error instanceof Error ? error.message : String(error);
  io.stderr.write(`error: ${message}\n`);
  if (error instanceof UsageError) {
    io.stderr.write(`see ${io.program?.('train') ?? io.called ?? spec.name} --help\n`);
    return 2;
  }
  const expected =
    error instanceof RunError ||
    error instanceof DataError ||
    error instanceof TensorFlowError ||
    error instanceof LengthError;
  // A stack says where in the spec's steps it happened; for a full disk or a bad file it says nothing.
  if (error instanceof Error && !expected && error.stack !== undefined) {
    const frames = error.stack.split('\n').filter((line) => /^\s+at /.test(line));
    if (frames.length > 0) io.stderr.write(`${frames.join('\n')}\n`);
  }
  return runFailed;
}

/** Runs a command and returns the signal that cut it off, if one did. */
async function runCommand(
  trainerClass: TrainerClass,
  args: Arguments,
  io: MainIo,
  told: Pick<RunOptions, 'failed' | 'notClosed'> & { readonly control: Control },
): Promise<StopSignal | null> {
  const { spec } = trainerClass;
  const { control } = told;
  const dataRoot = args.dataRoot ?? io.dataRoot;
  const given = Object.fromEntries(
    args.params.map(({ path, text }) => {
      const [name = ''] = path;
      const meant = spec.params.some((param) => param.name === name)
        ? []
        : attributesNamed(trainerClass, name);
      if (meant.length > 0)
        throw new UsageError(
          `${spec.name} has no param ${JSON.stringify(name)}; did you mean ${orList(meant)}?`,
        );
      return parseParam(spec, name, text);
    }),
  );
  const program = io.program?.('train') ?? io.called ?? spec.name;
  const again = givenAgain(args);
  const options = {
    ...told,
    stream: io.stderr,
    environment: io.environment,
    engine: engineOf(args.engine, io.environment),
    device: args.device,
    forcePrecision: args.forcePrecision,
    devRun: args.devRun,
    ...(dataRoot === undefined ? {} : { dataRoot }),
    ...(args.runDir === undefined ? {} : { runDir: args.runDir }),
    ...(io.warned === undefined ? {} : { warned: io.warned }),
    goOn: (folder: string) => [program, '--resume', quoted(folder), ...again].join(' '),
    ...(io.plot === undefined ? {} : { plot: (folder: string) => `${io.plot} ${quoted(folder)}` }),
  };
  if (args.command === 'train') {
    if (args.from !== undefined)
      throw new UsageError(`--from goes with test and predict; a run goes on with --resume ${args.from}`);
    if (args.json) throw new UsageError('--json goes with test and predict; a run writes metrics.jsonl');
    const command = (words: readonly string[]): string => [program, ...words.map(quoted), ...again].join(' ');
    return trainCommand(trainerClass, { ...args, given }, { ...options, allow: args.allow, command });
  }
  if (args.resume !== undefined)
    throw new UsageError(`--resume goes with train; ${args.command} takes --from RUN`);
  if (args.from === undefined) throw new UsageError(`${args.command} needs --from RUN or --from CHECKPOINT`);
  if (args.runDir !== undefined)
    throw new UsageError(`--run-dir goes with train; ${args.command} makes no run, leave it out`);
  const before = new Set<string>();
  await withCheckpoint(args.from, (from) =>
    evaluateWith(trainerClass, from, { args, given, io, options, before }),
  );
  return control.signal;
}

/** Tests or predicts with the weights of a checkpoint. Nothing is printed on stdout, nor written, before they are read. */
async function evaluateWith(
  trainerClass: TrainerClass,
  from: Checkpoint,
  {
    args,
    given,
    io,
    options,
    before: told,
  }: {
    readonly args: Arguments;
    readonly given: Readonly<Record<string, ParamValue>>;
    readonly io: MainIo;
    readonly options: RunOptions;
    /** Notes that were told, of a checkpoint that its run has removed. */
    readonly before: Set<string>;
  },
): Promise<void> {
  const { spec } = trainerClass;
  if (from.trainer !== spec.trainer) {
    throw new RunError(
      `${from.folder} was written by ${from.trainer}, this is ${spec.trainer}; take a checkpoint of this trainer`,
    );
  }
  const say = (line: string): void => {
    if (!told.has(line)) note(io, line);
    told.add(line);
  };
  say(`weights of step ${from.step} from ${from.folder}`);
  const trained = await trainedWith(from);
  if (isOtherSpec(trained, from, spec)) say('note: the spec has changed since; the weights must still fit');
  const before = new Map(Object.entries(paramsOf(spec, from)));
  for (const { name, key } of spec.params) {
    const [was, is] = [before.get(key), new Map(Object.entries(given)).get(key)];
    if (was !== undefined && is !== undefined && was !== is)
      say(`note: ${name} was ${was} when these weights were trained, and is ${is} here`);
  }
  const params = { ...Object.fromEntries(before), ...given };
  const code = otherCode(trained, spec);
  if (code !== null) say(`note: ${code}; the weights must still fit`);
  const { taken, notes } = attributesOfRun(trained, args.attributes, () =>
    new trainerClass({ params }).settableData(),
  );
  for (const line of notes) say(`note: ${line}`);
  const trainer = new trainerClass({ params, overrides: [...taken, ...args.attributes] });
  if (!trained.reachHeirs)
    for (const line of reachedHeirs(trainer, (name) => trainer.attribute(name), trained.overrides))
      say(`note: ${line}`);
  const print = new RowPrinter(args.json, io);
  if (args.command === 'test') {
    const tables = new Map<string, NamedTable>();
    const table = (name: string, values: Table, classes?: readonly string[]): void =>
      void tables.set(name, { values, classes });
    const rows = (step: string, values: Outputs): void => print.write(step, values);
    const metrics = await runTest(trainer, from, { ...options, trained, told, table, rows });
    // Rows are what a program reads then, and the metrics what a person does.
    const place = print.hasRows ? io.stderr : io.stdout;
    for (const line of metricLines(metrics, tables, args.json)) place.write(`${line}\n`);
    return;
  }
  await runPredict(trainer, from, {
    ...options,
    trained,
    told,
    rows: (rows, step) => {
      print.write(step, rows);
    },
    ...(args.json ? { taken: refuseJson } : {}),
  });
}

/** Options that whoever goes on, or runs it once more, gives again. */
function givenAgain({ dataRoot, engine, device, forcePrecision }: Arguments): readonly string[] {
  const valued = { '--data-root': dataRoot, '--engine': engine, '--devices': device };
  return [
    ...Object.entries(valued).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${quoted(value)}`],
    ),
    ...(forcePrecision ? ['--force-precision'] : []),
  ];
}

/** As a shell takes it. */
const quoted = (word: string): string =>
  /^[\w.=+,:/@%-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

const commands = ['train', 'test', 'predict', 'help'] as const;
const valued = ['--run-dir', '--data-root', '--from', '--resume', '--allow', '--engine', '--devices'];
const notBuilt: ReadonlyMap<string, string> = new Map([
  ['--nodes', 'several machines are not built yet; leave it out'],
  ['--profile', 'the spec sets it: profile = "simple" or "trace" on the trainer, or trainer.profile=simple'],
]);
const flags = ['--force-precision', '--dev-run', '--no-sweep', '--json', '--help', '--version'];

/** Reads a command line. `names` are the trainer's params, for messages. Throws a UsageError. */
export function readArguments(
  argv: readonly string[],
  names: readonly string[] = [],
  attributes: (name: string) => readonly string[] = () => [],
): Arguments {
  const params: Override[] = [];
  const overrides: Override[] = [];
  const values = new Map<string, string>();
  let command: Arguments['command'] | null = null;
  let devRun: number | null = null;
  let json = false;
  let noSweep = false;
  let forcePrecision = false;
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith('-')) {
      const found = commands.find((one) => one === word);
      // `--help train` asks for the same as `train --help`.
      if (found !== undefined && command === 'help') continue;
      if (found !== undefined && command !== null)
        throw new UsageError(`${command} and ${found} are two commands; give one at a time`);
      if (found !== undefined) command = found;
      else if (word.includes('=')) {
        const override = parseOverride(word);
        (override.path.length === 1 ? params : overrides).push(override);
      } else {
        throw new UsageError(
          `cannot read ${JSON.stringify(word)}${didYouMean(word, commands) || '; write name=value, or train, test, predict'}`,
        );
      }
      continue;
    }
    const [name = word, attached] = splitOption(word);
    if (name === '--help' || name === '-h') command = 'help';
    else if (name === '--version' || name === '-V') command = 'version';
    else if (name === '--json') json = true;
    else if (name === '--no-sweep') noSweep = true;
    else if (name === '--force-precision') forcePrecision = true;
    else if (name === '--dev-run') {
      const next = attached ?? (/^\d+$/.test(rest[0] ?? '') ? rest.shift() : '3');
      devRun = Number(next);
      if (!Number.isSafeInteger(devRun) || devRun < 1)
        throw new UsageError(`--dev-run takes a whole number of at least 1, got ${next}`);
    } else if (valued.includes(name)) {
      const value = attached ?? rest.shift();
      if (value === undefined || value === '' || (attached === undefined && value.startsWith('--')))
        throw new UsageError(
          `${name} needs a value${value === undefined ? '' : `, got ${JSON.stringify(value)}`}`,
        );
      const before = values.get(name);
      // A list may be given in parts.
      if (before !== undefined && name !== '--allow')
        throw new UsageError(`${name} is given twice, ${before} and ${value}; keep one of them`);
      values.set(name, before === undefined ? value : `${before},${value}`);
    } else {
      const reason = notBuilt.get(name);
      throw new UsageError(
        reason === undefined
          ? `there is no option ${name}${undashed(name, attached ?? rest[0], names, attributes) ?? didYouMean(name, [...valued, ...flags])}`
          : `${name}: ${reason}`,
      );
    }
  }
  refuseTwice([...params, ...overrides]);
  return {
    command: command ?? 'train',
    params,
    attributes: overrides,
    runDir: values.get('--run-dir'),
    dataRoot: values.get('--data-root'),
    from: values.get('--from'),
    resume: values.get('--resume'),
    allow:
      values
        .get('--allow')
        ?.split(',')
        .map((name) => name.trim()) ?? [],
    engine: values.get('--engine'),
    device: deviceOf(values.get('--devices')),
    forcePrecision,
    devRun,
    noSweep,
    json,
  };
}

/** `--lr=3` and `--trainer.epochs=2` mean what is written without dashes. */
function undashed(
  name: string,
  value: string | undefined,
  names: readonly string[],
  attributes: (name: string) => readonly string[],
): string | undefined {
  const bare = name.replace(/^-+/, '').replaceAll('-', '_');
  const meant = names.includes(bare) || bare.includes('.') ? [bare] : attributes(bare);
  if (meant.length === 0) return undefined;
  return `; params and attributes have no dashes, write ${orList(meant.map((each) => `${each}=${value ?? '…'}`))}`;
}

const orList = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;

/** `trainer.epochs` for `epochs`, `train_set.batch` and those of other data sets for `batch`. */
function attributesNamed(trainerClass: TrainerClass, name: string): readonly string[] {
  const has = (kind: string): boolean =>
    (optionTable.get(kind) ?? []).some((option) => option.name === name && option.overridable);
  if (has('trainer/options')) return [`trainer.${name}`];
  if (!has('data/options')) return [];
  try {
    return new trainerClass().dataNames().map((set) => `${set}.${name}`);
  } catch {
    // A param without a default: the names of data sets are not known.
    return [];
  }
}

function splitOption(word: string): readonly [string, string | undefined] {
  const at = word.indexOf('=');
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

/** The engine that is asked for: by the option, else by the environment, else any. */
function engineOf(given: string | undefined, environment: MainIo['environment']): EngineName {
  const name = given ?? environment['ZTRAIN_ENGINE'] ?? '';
  if (name === '') return 'auto';
  const found = engineNames.find((one) => one === name);
  if (found !== undefined) return found;
  throw new UsageError(
    `${given === undefined ? 'ZTRAIN_ENGINE' : '--engine'} takes ${engineNames.join(', ')}, got ${name}${didYouMean(name, engineNames)}`,
  );
}

/** The device that is asked for; undefined for any. */
function deviceOf(devices = 'auto'): string | undefined {
  if (devices === 'auto' || devices === '1') return undefined;
  if (/^(?:cpu|gpu|gpu:\d+)$/.test(devices)) return devices;
  if (/^\d+$/.test(devices)) {
    throw new UsageError(`--devices ${devices}: several devices are not built yet; use 1 or auto`);
  }
  throw new UsageError(`--devices takes auto, cpu, gpu or gpu:N, got ${devices}`);
}
