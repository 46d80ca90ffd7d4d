/** The checker. After it: where there is no error, the IR is whole. */
import { hasErrors, type Diagnostic } from '../parser/diagnostic.js';
import { missingPart, nestedTooDeep } from '../parser/messages.gen.js';
import type { SourceFile } from '../parser/source.js';
import { noFacts } from './dims/facts.js';
import type { Checker, Env, FileScope } from './env.js';
import { folderOf, joinPath, type Host } from './host.js';
import type { Ir, IrClass, IrModule } from './ir.js';
import { foundInWhole } from './partly-read.js';
import { loadPrelude } from './prelude.js';
import { loadProgram, type Program, type ProgramFile } from './program.js';
import { withKept } from './training/freezing.js';
import { countingRows } from './training/counted-rows.js';
import { checkTraining } from './training/training.js';
import type { Weight } from './env.js';
import { checkTwins, declare, envOf } from './declarations.js';
import { startTests } from './start-tests.js';
import { checkModule } from './modules.js';
import { type TrainerResult, checkTrainer } from './run.js';
import { reportUnused, applyAllows } from './lints.js';

export interface Checked {
  readonly program: Program;
  readonly files: readonly SourceFile[];
  readonly diagnostics: readonly Diagnostic[];
  /** Null where there is an error. */
  readonly ir: Ir | null;
  /** By model, paths without the model's name. */
  readonly weights: ReadonlyMap<string, readonly Weight[]>;
}

/** What was reported, each mistake once. */
interface Sink {
  readonly all: Diagnostic[];
  readonly keys: Set<string>;
}

const newSink = (): Sink => ({ all: [], keys: new Set() });

const makeChecker = (
  host: Host,
): { readonly checker: Checker; readonly all: () => readonly Diagnostic[] } => {
  let sink = newSink();
  const memos = new WeakMap<object, Map<string, unknown>>();
  const checker: Checker = {
    readHead: (path) => host.readHead(path),
    exists: (path) => host.exists(path),
    prelude: loadPrelude(),
    noFacts,
    open: { classes: new Set(), others: new Set() },
    main: { scope: null },
    used: new Set(),
    report: (diagnostic) => {
      const { code, span, message } = diagnostic;
      const key = `${code} ${span.file} ${span.start} ${message}`;
      if (sink.keys.has(key)) return;
      sink.keys.add(key);
      sink.all.push(diagnostic);
    },
    capture: (body) => {
      const outer = sink;
      const own = newSink();
      sink = own;
      try {
        return { result: body(), diagnostics: own.all };
      } finally {
        sink = outer;
      }
    },
    memo: (key, what, make) => memoized(memos, key, what, make),
  };
  return { checker, all: () => sink.all };
};

/** The type of a memory is that of what makes it: one `what` is only ever used with one kind of value. */
const memoized = <T>(
  memos: WeakMap<object, Map<string, unknown>>,
  key: object,
  what: string,
  make: () => T,
): T => {
  const known: Map<string, unknown> = memos.get(key) ?? new Map<string, unknown>();
  memos.set(key, known);
  if (!known.has(what)) known.set(what, { made: make() });
  const box = known.get(what);
  return isBox<T>(box) ? box.made : make();
};

const isBox = <T>(box: unknown): box is { readonly made: T } =>
  typeof box === 'object' && box !== null && 'made' in box;

/** Declarations that name one another may go on longer than the stack of the engine. */
const tooDeep = (program: Program): Checked => {
  const help =
    'declarations stand in one another in too long a chain, each made of the next: make it shorter';
  const found = nestedTooDeep({ file: 0, start: 0, end: 0 }, { most: 1000 }, { help });
  return { program, files: program.files, diagnostics: [found], ir: null, weights: new Map() };
};

/** With what only the whole spec tells. */
const completed = (env: Env, made: TrainerResult): TrainerResult => {
  if (!made.ir) return made;
  const ir = { ...made.ir, asserts: [...made.ir.asserts, ...startTests(env)] };
  return { ...made, ir: withKept(ir, made.weights) };
};

export const checkProgram = (entry: string, host: Host): Checked => {
  const program = loadProgram(entry, host);
  try {
    return checkLoaded(program, entry, host);
  } catch (error) {
    if (error instanceof RangeError && error.message.includes('call stack')) return tooDeep(program);
    throw error;
  }
};

const checkLoaded = (program: Program, entry: string, host: Host): Checked => {
  const { checker, all } = makeChecker(host);
  const isPartly = hasErrors(program.diagnostics);
  const scopes = new Map<ProgramFile, FileScope>();
  const main = program.order.at(-1);
  if (main && main.spec.decls.length === 0 && program.diagnostics.length === 0) {
    checker.report(
      missingPart(
        { file: 0, start: 0, end: 0 },
        { what: 'the file declares nothing' },
        { help: 'is it the right file, and whole? `ztrainc init` writes a spec to start from' },
      ),
    );
  }
  for (const file of program.order) scopes.set(file, declare(checker, file, scopes, file === main, host));
  checkTwins(checker, scopes);
  checker.main.scope = (main && scopes.get(main)) ?? null;
  const scope = main ? scopes.get(main) : undefined;
  const modules: IrModule[] = [];
  let trainer: TrainerResult | null = null;
  for (const [file, own] of scopes) {
    const env = envOf(checker, own);
    const module = checkModule(env, own, file, entry, scopes);
    modules.push(module);
    if (own.isMain) trainer = completed(env, checkTrainer(env, own, [...scopes.values()]));
  }
  const found = [...program.diagnostics, ...all()];
  // What follows an error may look unused only because of it.
  if (scope && main && !hasErrors(found)) reportUnused(checker, scopes);
  if (trainer?.ir && !hasErrors(found)) {
    const classes = new Map(
      modules.flatMap((module) => module.classes.map((each) => [each.name, each] as const)),
    );
    const byModel = trainer.ir.models.flatMap((model): [string, IrClass][] => {
      const found = classes.get(model.class);
      return found ? [[model.name, found]] : [];
    });
    checkTraining({
      trainer: trainer.ir,
      classes: new Map([...classes, ...byModel]),
      weights: trainer.weights,
      meetsRows: trainer.meetsRows,
      consts: new Map(
        modules.flatMap((module) => module.consts.map((each) => [each.name, each.value] as const)),
      ),
      ...(host.looksForData === true
        ? { isThere: (path: string) => host.exists(joinPath(folderOf(entry), path)) }
        : {}),
      ...countingRows(host, entry),
      prelude: checker.prelude,
      report: checker.report,
    });
  }
  // A declaration that did not parse is missing: what names it would look wrong as well.
  const own = isPartly ? foundInWhole(program, all()) : all();
  const diagnostics = applyAllows([...program.diagnostics, ...own], program, checker);
  const ir: Ir | null =
    hasErrors(diagnostics) || !main ? null : { language: 1, modules, trainer: trainer?.ir ?? null };
  return { program, files: program.files, diagnostics, ir, weights: trainer?.weights ?? new Map() };
};
