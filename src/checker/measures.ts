/** `step measure`: figures of the data that are found before training, `seen.mu`, and what reads them. */
import type { MetricStmt, StepDecl } from '../parser/ast.js';
import type { Diagnostic } from '../parser/diagnostic.js';
import {
  duplicateKey,
  missingPart,
  unknownField,
  updateNotHere,
  wrongKind,
  wrongType,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { lookUp } from './batch-figures.js';
import { checkData, type DataInfo } from './data.js';
import { envOf } from './declarations.js';
import { showSize } from './dims/size.js';
import { lookupData, type Env } from './env.js';
import { checkExpr } from './expressions.js';
import type { IrExpr, IrStep, IrStepStmt } from './ir.js';
import { walkIr } from './ir-walk.js';
import { axesOf, isMeasured } from './row-axes.js';
import { checkStep, type StepState } from './steps.js';
import { expressionsOf } from './training/walk.js';
import { aType, tensorType, type TensorType } from './types.js';
import { isUnknown, unknownValue, value, type Value } from './value.js';

export interface Measure {
  /** One for each data set. */
  readonly steps: readonly IrStep[];
  /** Figures by name. */
  readonly types: ReadonlyMap<string, TensorType>;
}

interface Known {
  readonly measure: Measure | null;
  /** What is wrong with the step, told where the step stands: whoever reads its figures first may be a model. */
  readonly found: readonly Diagnostic[];
}

const orders = new WeakMap<object, StepDecl[]>();

/** Measure steps in the order in which they are known: what one of them reads comes before it. */
const orderOf = (env: Env): StepDecl[] => {
  const known = orders.get(env.checker) ?? [];
  orders.set(env.checker, known);
  return known;
};

/** The steps of all measure steps, each after those whose figures it needs; says what is wrong with them. */
export const measuresOf = (env: Env, decls: readonly StepDecl[]): readonly (readonly IrStep[])[] => {
  for (const decl of decls) for (const each of knownOf(env, decl)?.found ?? []) env.checker.report(each);
  return orderOf(env)
    .filter((decl) => decls.includes(decl))
    .map((decl) => measureOf(env, decl)?.steps ?? []);
};

const nameOf = (decl: StepDecl): string => (decl.as ?? decl.stage).text;

const types = new WeakMap<object, Map<string, TensorType>>();

/** `metric mu = mean(batch.x, axis = 0)` in a measure step. */
export const checkFigure = (env: Env, statement: MetricStmt, state: StepState): void => {
  const { name, by } = statement;
  if (by) {
    env.checker.report(
      wrongKind(
        by.span,
        { name: by.text, found: 'a way to join batches', expected: 'a figure over all rows, without `by`,' },
        { help: 'leave it out' },
      ),
    );
    return;
  }
  const found = statement.value ? checkExpr(env, statement.value) : unknownValue(name.span);
  const wrong = (what: string, help: string): void =>
    env.checker.report(
      wrongType(
        statement.value?.span ?? name.span,
        {
          what: `the figure \`${name.text}\``,
          found: what,
          expected: 'a `mean`, `sum`, `std`, `variance`, `max_of` or `min_of` over rows',
        },
        { help },
      ),
    );
  if (!statement.value)
    return wrong('only a name', `write \`metric ${name.text} = mean(batch.x, axis = 0)\``);
  if (isUnknown(found)) return;
  const { ir } = found;
  if (ir.kind !== 'op' || !isMeasured(ir.name) || ir.home !== 'ops')
    return wrong(aType(found.type), 'measure its parts, and compute with them where they are read');
  const [of] = ir.args;
  const type = found.type.kind === 'missing' ? found.type.of : found.type;
  if (!of || of.type.kind !== 'tensor' || type.kind !== 'tensor') return;
  const rows = of.type.shape[0];
  const joined = axesOf(ir, of.type.shape.length);
  // Without `axis` the figure is one number, of everything.
  const axes = ir.options.some((option) => option.name === 'axis') ? joined : null;
  if (rows === undefined || ![...env.place.batchSizes].includes(rows) || (axes && !axes.includes(0)))
    return wrong(
      `${aType(type)}, not joined over rows`,
      'the rows are axis 0: write `axis = 0`, or leave `axis` out to join everything',
    );
  if (joined === null) return wrong('joined over axes that a param sets', 'write the axes out');
  if (type.shape.some((size) => env.place.batchSizes.has(showSize(size)))) return;
  const own = types.get(state) ?? new Map<string, TensorType>();
  types.set(state, own);
  if (own.has(name.text)) {
    env.checker.report(duplicateKey(name.span, { name: name.text }));
    return;
  }
  own.set(name.text, tensorType('f32', type.shape));
  const missing = ir.options.find((option) => option.name === 'missing')?.value;
  const weight = ir.options.find((option) => option.name === 'weight')?.value ?? null;
  env.place.statements.push({
    kind: 'measure',
    span: name.span,
    name: name.text,
    how: ir.name,
    values: of,
    axes,
    weight,
    ...(missing ? { missing } : {}),
  });
};

export const figuresOf = (state: StepState): ReadonlyMap<string, TensorType> => types.get(state) ?? new Map();

/** A measure step with its figures, checked once, whoever asks first; null after an error. */
const measureOf = (env: Env, decl: StepDecl): Measure | null => knownOf(env, decl)?.measure ?? null;

const knownOf = (env: Env, decl: StepDecl): Known | null => {
  const { main, open } = env.checker;
  const { scope } = main;
  if (!scope || open.others.has(decl)) return null;
  return env.checker.memo(decl, 'measure', (): Known => {
    open.others.add(decl);
    try {
      const { result, diagnostics } = env.checker.capture(() =>
        checkMeasure(envOf(env.checker, scope), decl),
      );
      orderOf(env).push(decl);
      return { measure: result, found: diagnostics };
    } finally {
      open.others.delete(decl);
    }
  });
};

const checkMeasure = (env: Env, decl: StepDecl): Measure | null => {
  const { body } = decl;
  if (body.kind !== 'body') {
    env.checker.report(
      wrongKind(body.span, {
        name: body.text,
        found: 'the body of another step',
        expected: 'figures of its own',
      }),
    );
    return null;
  }
  const datas = new Map<string, DataInfo>();
  for (const { data } of decl.inputs) {
    const binding = lookupData(env.scope, data.text);
    if (binding?.kind !== 'decl' || binding.decl.kind !== 'data') continue;
    const info = checkData(env, binding.decl, binding.file);
    if (info) datas.set(data.text, info);
  }
  const found: { state: StepState | null } = { state: null };
  const ir = checkStep(env, decl, body, datas, (state) => (found.state = state));
  if (!ir || !found.state) return null;
  const own = figuresOf(found.state);
  if (own.size === 0) {
    if (!body.statements.some((each) => each.kind === 'metric'))
      env.checker.report(
        missingPart(
          decl.stage.span,
          { what: '`step measure` measures nothing' },
          { help: 'write `metric mu = mean(batch.x, axis = 0)`' },
        ),
      );
    return null;
  }
  const block = ir.body.find(({ kind }) => kind === 'if' || kind === 'for' || kind === 'every');
  if (block) {
    const reason = 'makes a figure that may not be there, and others read it';
    env.checker.report(
      updateNotHere(block.span, { statement: block.kind, reason }, { help: 'write `if … then … else …`' }),
    );
    return null;
  }
  const steps = decl.inputs.length > 1 ? apart(env, decl, ir) : [ir];
  return steps && { steps, types: own };
};

/** Batches whose rows an expression is made of, and the locals that it reads. */
const readsOf = (
  exprs: readonly IrExpr[],
  statements: readonly IrStepStmt[],
): { readonly batches: ReadonlySet<string>; readonly locals: ReadonlySet<string> } => {
  const batches = new Set<string>();
  const locals = new Set<string>();
  const look = (node: unknown): void =>
    walkIr(node, ({ kind, ref, batch }) => {
      if (kind === 'batchSize' && typeof batch === 'string') batches.add(batch);
      if (kind !== 'ref' || typeof ref !== 'object' || ref === null) return;
      if (!('kind' in ref && 'name' in ref && typeof ref.name === 'string')) return;
      if (ref.kind === 'batch') batches.add(ref.name);
      if (ref.kind !== 'local' || locals.has(ref.name)) return;
      locals.add(ref.name);
      look(lookUp(statements, ref.name));
    });
  look(exprs);
  return { batches, locals };
};

/** A step over several data sets as one for each, with the figures of its rows: each set is read once, to its own end. */
const apart = (env: Env, decl: StepDecl, ir: IrStep): readonly IrStep[] | null => {
  const figures = new Map<string, { readonly of: IrStepStmt[]; readonly locals: Set<string> }>();
  let fine = true;
  for (const statement of ir.body) {
    if (statement.kind !== 'measure') continue;
    const { batches, locals } = readsOf(expressionsOf(statement), ir.body);
    const [batch, ...others] = [...batches];
    if (batch === undefined || others.length > 0) {
      fine = false;
      env.checker.report(
        wrongType(
          statement.span,
          {
            what: `the figure \`${statement.name}\``,
            found: `made of the rows of ${[...batches].map((each) => `\`${each}\``).join(' and ')}`,
            expected: 'rows of one data set are',
          },
          { help: 'measure a figure of each, and compute with them where they are read' },
        ),
      );
      continue;
    }
    const own = figures.get(batch) ?? { of: [], locals: new Set() };
    figures.set(batch, own);
    own.of.push(statement);
    for (const name of locals) own.locals.add(name);
  }
  const steps = ir.inputs.flatMap((input): readonly IrStep[] => {
    const own = figures.get(input.name);
    if (own) {
      const reads = (statement: IrStepStmt): boolean =>
        own.of.includes(statement) || ('name' in statement && own.locals.has(statement.name));
      const body = ir.body.filter(reads);
      return [{ ...ir, inputs: [input], body, part: input.name }];
    }
    if (fine)
      env.checker.report(
        missingPart(
          decl.inputs.find(({ name }) => name.text === input.name)?.name.span ?? input.span,
          { what: `nothing of \`${input.name}\` is measured` },
          { help: 'write a `metric` of its rows, or leave it out' },
        ),
      );
    return [];
  });
  return fine && steps.length === ir.inputs.length ? steps : null;
};

const measureNamed = (env: Env, name: string): StepDecl | null =>
  env.checker.main.scope?.decls.find(
    (decl): decl is StepDecl =>
      decl.kind === 'step' && decl.stage.text === 'measure' && nameOf(decl) === name,
  ) ?? null;

/** `seen.mu`; null where no measure step has this name. */
export const measuredValue = (
  env: Env,
  step: string,
  figure: { readonly text: string; readonly span: Span },
  span: Span,
): Value | null => {
  // A model of another file knows nothing of this one's steps.
  const decl = env.place.kind === 'graph' && !env.file.isMain ? null : measureNamed(env, step);
  if (!decl) return null;
  if (env.checker.open.others.has(decl)) {
    // One error for all figures of a cycle.
    const cycle = env.checker.memo(decl, 'cycle', () => ({ told: false }));
    if (cycle.told) return unknownValue(span);
    cycle.told = true;
    env.checker.report(
      wrongKind(
        span,
        {
          name: `${step}.${figure.text}`,
          found: 'what is being measured',
          expected: 'a value that is known before',
        },
        {
          help:
            env.place.kind === 'graph'
              ? 'measure without a model that needs the figures'
              : 'measure a data set whose `map` does not need the figures, and amend it',
        },
      ),
    );
    return unknownValue(span);
  }
  if (env.place.kind === 'host') {
    env.checker.report(
      wrongKind(
        span,
        {
          name: `${step}.${figure.text}`,
          found: 'a measured tensor',
          expected: 'a value that is known before the run',
        },
        { help: 'it can be read in steps, in models and in `map`' },
      ),
    );
    return unknownValue(span);
  }
  const measure = measureOf(env, decl);
  if (!measure) return unknownValue(span);
  const type = measure.types.get(figure.text);
  const { body } = decl;
  // A figure that is wrong was told of where it stands.
  if (
    !type &&
    body.kind === 'body' &&
    body.statements.some((each) => each.kind === 'metric' && each.name.text === figure.text)
  )
    return unknownValue(span);
  if (!type) {
    const names = [...measure.types.keys()];
    const [near] = nearest(figure.text, names);
    const help = near
      ? `write \`${step}.${near}\``
      : `it has ${names.map((each) => `\`${each}\``).join(', ')}`;
    env.checker.report(
      unknownField(figure.span, { name: figure.text, owner: `\`step measure as ${step}\`` }, { help }),
    );
    return unknownValue(span);
  }
  const made = value(span, type, { kind: 'ref', ref: { kind: 'measured', step, name: figure.text } });
  // One number is the same in every batch: it multiplies a total as a schedule does.
  return type.shape.length === 0 && env.place.kind === 'step'
    ? { ...made, total: { kind: 'host', ir: made.ir } }
    : made;
};
