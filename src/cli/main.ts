/**
 * The command line `ztrainc`. After this: a command ran and the process has its exit code. Commands load on demand, so
 * that `check` starts without TypeScript, prettier, esbuild or an engine.
 */
import { Command, CommanderError, Option } from 'commander';
import { findPackageRoot } from '../codegen/package-root.js';
import { nearest } from '../parser/nearest.js';
import type { BuildOptions } from './build.js';
import type { CheckOptions } from './check.js';
import type { InstallOptions } from './engine-install.js';
import type { EngineRequest } from './engine.js';
import type { ExportOptions } from './export.js';
import type { PlotOptions } from './plot.js';
import type { RunOptions } from './run.js';
import type { VerifyOptions } from './verify-resume.js';
import type { ShowOptions } from './show.js';
import { optionTable } from '../values/options.gen.js';
import { helpColumns, helpLayout } from './help-layout.js';
import { Misuse, exits, streams } from './streams.js';

type Finish = (code: number) => void;

/** An option with a value that is given twice: which of the two would hold? */
const once =
  (name: string) =>
  (value: string, before: string | undefined): string => {
    if (value === '') throw new Misuse(`${name} needs a value, got ""`);
    if (before !== undefined)
      throw new Misuse(`${name} is given twice, ${before} and ${value}; keep one of them`);
    return value;
  };

/** An option with a list that may be given in parts. */
const listed =
  (name: string) =>
  (value: string, before: string | undefined): string => {
    if (value === '') throw new Misuse(`${name} needs a value, got ""`);
    return before === undefined ? value : `${before},${value}`;
  };

const addRunOptions = (command: Command, spec: readonly [string, string]): Command =>
  command
    .argument(...spec)
    .argument('[name=value...]', 'params, and attributes as owner.name=value')
    .option('--run-dir <dir>', 'the run’s folder (runs/<trainer>/<time>)', once('--run-dir'))
    .option('--data-root <dir>', 'where relative data paths start (the spec’s folder)', once('--data-root'))
    .option('--engine <name>', 'auto, embedded or tensorflow', once('--engine'))
    .option('--devices <devices>', 'auto, cpu, gpu or gpu:N', once('--devices'))
    .option('--force-precision', 'bf16 or f16 also where TensorFlow has no units for it on the device')
    .option('--json', 'print metrics or rows as JSON')
    // With a spec, its params are the help.
    .helpOption(false)
    .option('-h, --help', 'the spec’s params with their defaults and limits');

/** Who has a checkpoint has its spec too. */
const keptSpec = ['[spec]', 'the spec, instead of the one that the checkpoint keeps'] as const;

const withTrainer =
  (finish: Finish, name: 'train' | 'test' | 'predict') =>
  async (
    spec: string | undefined,
    words: readonly string[],
    options: RunOptions,
    command: Command,
  ): Promise<void> => {
    if (options.help === true && spec === undefined) {
      command.outputHelp();
      return;
    }
    const { trainerCommand } = await import('./run.js');
    finish(await trainerCommand(name, spec === undefined ? words : [spec, ...words], options));
  };

const addEngineCommands = (program: Command, finish: Finish): void => {
  const ask = async (request: EngineRequest): Promise<void> => {
    const { engineCommand } = await import('./engine.js');
    finish(await engineCommand(request));
  };
  const engine = program
    .command('engine')
    .description('the native engine: find TensorFlow, fetch it, try it');
  engine
    .command('list')
    .description('every place that is searched, in order, and what is there')
    .action(() => ask({ command: 'list' }));
  engine
    .command('which')
    .description('the folder of the library that is taken')
    .action(() => ask({ command: 'which' }));
  engine
    .command('doctor')
    .description('open the library in a process of its own, check a product and the checksums')
    .argument('[folder]', 'a library’s (the one that is taken)')
    .action((folder: string | undefined) => ask({ command: 'doctor', folder }));
  engine
    .command('install')
    .description('fetch TensorFlow with your own uv or pip, and keep its libraries alone')
    .option('--version <version>', 'of TensorFlow (2.21.0)')
    .option('--cuda', 'with what a GPU of NVIDIA needs')
    .option('--from <path>', 'a wheel, or a folder of wheels, that is here already')
    .action((options: InstallOptions) => ask({ command: 'install', options }));
  engine
    .command('probe', { hidden: true })
    .argument('<folder>')
    .action((folder: string) => ask({ command: 'probe', folder }));
};

const addCommands = (program: Command, finish: Finish): void => {
  program
    .command('init')
    .description('write a running project small enough to read; without a template, list them')
    .argument('[template]', 'its name')
    .argument('[dir]', 'where (a folder of the template’s name)')
    .action(async (template: string | undefined, dir: string | undefined) => {
      const { initCommand } = await import('./init.js');
      finish(initCommand(template, dir));
    });
  program
    .command('check')
    .description('report every mistake, write nothing')
    .argument('<spec...>', 'specs, or folders of them')
    .addOption(new Option('--format <format>', 'text or json').choices(['text', 'json']).default('text'))
    .option('--externs', 'check the TypeScript of externs too')
    .action(async (specs: readonly string[], options: CheckOptions) => {
      const { checkCommand } = await import('./check.js');
      finish(await checkCommand(specs, options));
    });
  program
    .command('build')
    .description('write the trainer and the executable')
    .argument('<spec...>', 'specs, or folders of them')
    .option('--check', 'write nothing; fail where a committed trainer is not what its spec gives')
    .option('--watch', 'build again at every change')
    .option('--no-bundle', 'write the trainer alone')
    .option('--out-dir <dir>', 'where executables go (dist of the project)', once('--out-dir'))
    .action(async (specs: readonly string[], options: BuildOptions) => {
      const { buildCommand } = await import('./build.js');
      finish(await buildCommand(specs, options));
    });
  addRunOptions(program.command('run').description('compile and train'), ['[spec]', 'the spec'])
    .option(
      '--resume <run>',
      'go on with a run: its folder, one of its checkpoints, or auto, the newest that was left; none begins anew',
      once('--resume'),
    )
    .option('--allow <names>', 'what may have changed since, such as lr,epochs', listed('--allow'))
    .option('--dev-run [n]', 'n steps (3) and validation batches, nothing is written')
    .option('--no-sweep', 'one run where the spec has a sweep, with the values given here and the defaults')
    .action(withTrainer(finish, 'train'));
  addRunOptions(program.command('test').description('measure trained weights'), keptSpec)
    .option(
      '--from <run>',
      'a run’s folder (its best checkpoint, else the last) or a checkpoint',
      once('--from'),
    )
    .action(withTrainer(finish, 'test'));
  addRunOptions(
    program.command('predict').description('write a row of output for each row of input'),
    keptSpec,
  )
    .option(
      '--from <run>',
      'a run’s folder (its best checkpoint, else the last) or a checkpoint',
      once('--from'),
    )
    .action(withTrainer(finish, 'predict'));
  program
    .command('show')
    .description('print any phase as text')
    .argument('<spec>', 'the spec')
    .argument('[name=value...]', 'params, for --weights, --plan and --resolved')
    .option('--tokens', 'tokens with their places')
    .option('--ast', 'the syntax tree as JSON')
    .option('--ir', 'the checked program as JSON')
    .option('--weights', 'weights with shapes, counts and bytes (the default)')
    .option('--plan', 'steps an epoch, last batch and window, validations, checkpoints, schedules')
    .option('--resolved', 'params and options with all defaults filled in')
    .action(async (spec: string, words: readonly string[], options: ShowOptions) => {
      const { showCommand } = await import('./show.js');
      finish(showCommand(spec, words, options));
    });
  program
    .command('plot')
    .description('the curves of runs, also of one that still goes on')
    .argument('<run...>', 'runs’ folders, or a sweep’s')
    .option('--metrics <names>', 'loss,validate.accuracy,lr (all but rates and speeds)', once('--metrics'))
    .option('--out <file>', 'an SVG file instead of text', once('--out'))
    .addOption(
      new Option('--x <axis>', 'what the curves run along')
        .choices(['step', 'epoch', 'time'])
        .default('step'),
    )
    .option('--smooth <n>', 'each point is the mean of the n newest', once('--smooth'))
    .option('--log', 'logarithmic (the default for values far apart)')
    .option('--no-log', 'never logarithmic')
    .action(async (runs: readonly string[], options: PlotOptions) => {
      const { plotCommand } = await import('./plot.js');
      finish(await plotCommand(runs, options));
    });
  program
    .command('verify-resume')
    .description('train twice, once killed at random moments and resumed, and compare every byte')
    .argument('<spec>', 'the spec')
    .argument('[name=value...]', 'params, and attributes as owner.name=value')
    .option('--kills <n>', 'how often it is killed (5)', once('--kills'))
    .option('--every <n>', 'steps between checkpoints (three for each kill)', once('--every'))
    .option('--engine <name>', 'auto, embedded or tensorflow', once('--engine'))
    .option('--data-root <dir>', 'where relative data paths start (the spec’s folder)', once('--data-root'))
    .option('--force-precision', 'bf16 or f16 also where TensorFlow has no units for it on the device')
    .option('--out <dir>', 'keep both runs there', once('--out'))
    .action(async (spec: string, words: readonly string[], options: VerifyOptions) => {
      const { verifyResumeCommand } = await import('./verify-resume.js');
      finish(await verifyResumeCommand(spec, words, options));
    });
  program
    .command('watched-run', { hidden: true })
    .argument('<watch>')
    .argument('<words...>')
    .passThroughOptions()
    .allowUnknownOption()
    .helpOption(false)
    .action(async (watch: string, words: readonly string[]) => {
      const { watchSteps } = await import('./watched-run.js');
      watchSteps(JSON.parse(watch));
      finish(await runCommandLine(words));
    });
  program
    .command('export')
    .description('the weights of a run or a checkpoint, for other programs')
    .argument('<run>', 'a run’s folder (its best checkpoint, else the last) or a checkpoint')
    .option('--to <format>', 'safetensors, npz (NumPy) or tfjs (TensorFlow.js)', once('--to'))
    .option('--out <path>', 'where to, instead of a name in the current folder', once('--out'))
    .action(async (run: string, options: ExportOptions) => {
      const { exportCommand } = await import('./export.js');
      finish(await exportCommand(run, options));
    });
  program
    .command('explain')
    .description('a diagnostic’s page; without a code, all codes')
    .argument('[code]', 'such as ZT2001')
    .action(async (code: string | undefined) => {
      const { explainCommand } = await import('./explain.js');
      finish(explainCommand(code));
    });
  program
    .command('doctor')
    .description('versions, engine, folders, and ten steps trained on made-up data')
    .action(async () => {
      const { doctorCommand } = await import('./doctor.js');
      finish(await doctorCommand());
    });
  addEngineCommands(program, finish);
};

/** `--dev-run` may stand before the spec: only a number is its own. */
const withOwnNumbers = (argv: readonly string[]): readonly string[] =>
  argv.map((word, index) =>
    word === '--dev-run' && !/^\d+$/.test(argv[index + 1] ?? '') ? '--dev-run=3' : word,
  );

/** Commands of the design that do not exist so far. */
const laterCommands: readonly string[] = ['fmt', 'fix', 'lsp', 'diff'];

/** What has an owner is written with it: `trainer.epochs`, and a data set's `batch`. */
const withOwner = (name: string): string => {
  const has = (kind: string): boolean =>
    (optionTable.get(kind) ?? []).some((each) => each.name === name.replaceAll('-', '_') && each.overridable);
  const spelled = name.replaceAll('-', '_');
  if (has('trainer/options')) return `trainer.${spelled}`;
  return has('data/options') ? `the name of a data set and .${spelled}, such as train_set.${spelled}` : name;
};

/**
 * Commander looks for near names only where no `=value` hangs on the option, and does not know that params have no
 * dashes.
 */
const withNearOption = (text: string, program: Command, argv: readonly string[]): string => {
  const [, option = '', value] = /unknown option '([^'=]+)(=[^']*)?'/.exec(text) ?? [];
  const [, later = ''] = /unknown command '([^']+)'/.exec(text) ?? [];
  if (laterCommands.includes(later)) return `error: ztrainc ${later} is not built yet; see ztrainc --help\n`;
  if (option === '') return text;
  const command = program.commands.find((each) => argv.includes(each.name())) ?? program;
  if (command.options.some(({ long }) => long === option))
    return `error: ${option} takes no value, leave ${value ?? 'it'} out\n`;
  const others = program.commands.filter((each) => each.options.some(({ long }) => long === option));
  if (others.length > 0)
    return `error: ${option} goes with ${others.map((each) => each.name()).join(' and ')}, not with ${command.name()}\n`;
  const known = command.options.filter((each) => value === undefined || each.required || each.optional);
  const [near] = nearest(
    option,
    known.flatMap(({ long }) => long ?? []),
    1,
  );
  const [line = ''] = text.split('\n');
  if (near !== undefined) return `${line}\n(Did you mean ${near}?)\n`;
  const takesParams = command.registeredArguments.some((argument) => argument.name().includes('='));
  if (!takesParams) return text;
  const next = argv[argv.indexOf(option) + 1];
  const given = value ?? `=${next === undefined || next.startsWith('-') ? '…' : next}`;
  return `${line}; params and attributes have no dashes, write ${withOwner(option.replace(/^-+/, ''))}${given}\n`;
};

const report = (error: unknown, argv: readonly string[]): void => {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  streams.say(
    [
      'this is a bug in ztrainc, not in your spec; please report it with these lines:',
      '',
      `  ztrainc ${findPackageRoot().version}, node ${process.version}, ${process.platform} ${process.arch}`,
      `  ztrainc ${argv.join(' ')}`,
      ...stack.split('\n').map((line) => `  ${line}`),
    ].join('\n'),
  );
};

/** Runs a command line and returns the exit code. */
export const runCommandLine = async (argv: readonly string[]): Promise<number> => {
  let code: number = exits.well;
  const program = new Command('ztrainc')
    .description('Compiles .ztrain specs to typed trainers and executables that train.')
    .version(findPackageRoot().version, '-V, --version')
    // `engine install` has a --version of its own.
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp(helpLayout)
    .configureOutput({
      getOutHelpWidth: () => helpColumns(process.stdout),
      getErrHelpWidth: () => helpColumns(process.stderr),
      writeErr: (text) => void process.stderr.write(text),
      outputError: (text, write) => write(withNearOption(text, program, argv)),
    });
  addCommands(program, (made) => (code = made));
  try {
    await program.parseAsync([...withOwnNumbers(argv)], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exits.well : exits.misuse;
    if (error instanceof Error && (error.name === 'Misuse' || error.name === 'UsageError')) {
      streams.say(`error: ${error.message}`);
      return exits.misuse;
    }
    report(error, argv);
    return exits.compilerBug;
  }
};

process.exitCode = await runCommandLine(process.argv.slice(2));
