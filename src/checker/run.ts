/** The run that a spec describes: data, schedules, optimizers, steps, the trainer and its add-ons. */
import type { Decl, Name, StepBody, StepDecl } from '../parser/ast.js';
import { missingPart, shadowing, unknownName, wrongKind } from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { amendsOf } from './amends.js';
import { sourceText } from './calls.js';
import { checkDefault, openValue } from './parameters.js';
import { classOf, type ClassInfo } from './classes.js';
import { checkAddons, checkOptimizer, checkTrainerOptions } from './configuration.js';
import { checkSchedule } from './schedules.js';
import { checkData, type DataInfo } from './data.js';
import type { Env, FileScope } from './env.js';
import { checkExpr } from './expressions.js';
import { derivedOf } from './copies.js';
import type { IrAddon, IrCopy, IrModel, IrNamed, IrStep, IrTrainer } from './ir.js';
import { walkIr } from './ir-walk.js';
import { measuresOf } from './measures.js';
import { checkStep, isStage } from './steps.js';
import { counted } from '../values/counted.js';
import { irType } from './types.js';
import type { Weight } from './env.js';
import type { Value } from './value.js';

export interface TrainerResult {
  readonly ir: IrTrainer | null;
  readonly weights: ReadonlyMap<string, readonly Weight[]>;
  readonly meetsRows: ReadonlySet<string>;
}

/** A step with its body; one that reuses another's reads its data under that one's names, by their places. */
const withBody = (env: Env, decl: StepDecl): { readonly decl: StepDecl; readonly body: StepBody } | null => {
  if (decl.body.kind === 'body') return { decl, body: decl.body };
  const wanted = decl.body;
  const steps = env.file.decls.flatMap((each) => (each.kind === 'step' ? [each] : []));
  const other = steps.find((each) => (each.as ?? each.stage).text === wanted.text && each !== decl);
  if (other?.body.kind === 'body') {
    const { inputs, body } = other;
    if (inputs.length === decl.inputs.length)
      return {
        decl: {
          ...decl,
          inputs: decl.inputs.map((input, place) => ({ ...input, name: inputs[place]?.name ?? input.name })),
        },
        body,
      };
    env.checker.report(
      wrongKind(wanted.span, {
        name: wanted.text,
        found: `a step over ${counted(inputs.length, 'data set')}`,
        expected: `one over ${counted(decl.inputs.length, 'data set')}`,
      }),
    );
    return null;
  }
  const near = nearest(
    wanted.text,
    steps.map((each) => (each.as ?? each.stage).text),
  );
  env.checker.report(
    other
      ? wrongKind(wanted.span, {
          name: wanted.text,
          found: 'a step that itself reuses another',
          expected: 'a step with a body',
        })
      : unknownName(
          wanted.span,
          { kind: 'step', name: wanted.text },
          near[0] ? { help: `write \`${near[0]}\`` } : {},
        ),
  );
  return null;
};

/** `files` are those of the program, imports first. */
export const checkTrainer = (env: Env, scope: FileScope, files: readonly FileScope[]): TrainerResult => {
  const { decls } = scope;
  const trainers = decls.flatMap((decl) => (decl.kind === 'trainer' ? [decl] : []));
  const steps = decls.flatMap((decl) => (decl.kind === 'step' ? [decl] : []));
  const none: TrainerResult = { ir: null, weights: new Map(), meetsRows: new Set() };
  const datas = new Map<string, DataInfo>();
  for (const decl of decls) {
    if (decl.kind !== 'data') continue;
    const info = checkData(env, decl, scope);
    if (info) datas.set(decl.name.text, info);
  }
  const schedules = decls.flatMap((decl) =>
    decl.kind === 'schedule' ? (checkSchedule(env, decl) ?? []) : [],
  );
  const optimizers = decls.flatMap((decl) =>
    decl.kind === 'optimizer' ? (checkOptimizer(env, decl) ?? []) : [],
  );
  const made: IrStep[] = [];
  /** Measure steps, and how many other steps come before each. */
  const measuring: { readonly decl: StepDecl; readonly at: number }[] = [];
  const names = new Map<string, Span>();
  for (const decl of steps) {
    const name = (decl.as ?? decl.stage).text;
    const before = names.get(name);
    if (!isStage(decl.stage.text)) {
      const near = nearest(decl.stage.text, ['train', 'validate', 'test', 'predict', 'measure']);
      env.checker.report(
        unknownName(
          decl.stage.span,
          { kind: 'step', name: decl.stage.text },
          {
            help: near[0]
              ? `write \`step ${near[0]}\``
              : 'steps are train, validate, test, predict and measure',
          },
        ),
      );
      continue;
    }
    if (before || (decl.stage.text === 'train' && made.some((each) => each.stage === 'train'))) {
      env.checker.report(
        shadowing(
          (decl.as ?? decl.stage).span,
          { name: `step ${name}` },
          {
            ...(before ? { related: [{ span: before, label: 'the first' }] } : {}),
            help: `name this one: \`step ${decl.stage.text} as other(…)\``,
          },
        ),
      );
      continue;
    }
    names.set(name, (decl.as ?? decl.stage).span);
    if (decl.stage.text === 'measure') {
      measuring.push({ decl, at: made.length });
      continue;
    }
    const whole = withBody(env, decl);
    const step = whole ? checkStep(env, whole.decl, whole.body, datas) : null;
    if (step) made.push(step);
  }
  const measures = measuresOf(
    env,
    measuring.map(({ decl }) => decl),
  );
  for (const [index, { at }] of [...measuring.entries()].reverse())
    made.splice(at, 0, ...(measures[index] ?? []));
  const [trainer, second] = trainers;
  if (second)
    env.checker.report(
      missingPart(
        second.name.span,
        { what: 'there are two `trainer` declarations' },
        { related: [{ span: trainer?.name.span ?? second.name.span, label: 'the first' }] },
      ),
    );
  const addons = checkAddons(env, decls);
  if (!trainer && steps.length === 0 && addons.length === 0 && optimizers.length === 0) return none;
  const last = decls.at(-1)?.span ?? scope.file.spec.span;
  if (!trainer) {
    env.checker.report(
      missingPart(
        steps[0]?.stage.span ?? last,
        { what: 'there is no `trainer`' },
        { help: 'write `trainer Name { epochs = 10 }`' },
      ),
    );
    return none;
  }
  if (!steps.some((step) => step.stage.text === 'train')) {
    env.checker.report(
      missingPart(
        trainer.name.span,
        { what: 'there is no `step train`' },
        { help: 'write `step train(batch in …) { update … { minimize … } }`' },
      ),
    );
  }
  const options = checkTrainerOptions(env, trainer);
  const derived = decls.flatMap((decl) =>
    decl.kind === 'modelAlias' ? (derivedOf(env, decl, scope) ?? []) : [],
  );
  const harvesting = [...datas.values()].flatMap(({ ir: { arguments: given } }) =>
    given.flatMap(({ value }) =>
      value.type.kind === 'model' && value.kind === 'literal' ? [{ model: value.value }] : [],
    ),
  );
  const named = modelsIn([made, addons, optimizers.map((each) => each.of), harvesting]);
  const copies = derived.flatMap(({ decl, copy }) => (copy && named.has(decl.name.text) ? [copy] : []));
  const alone = heldAlone(copies, named, addons);
  const used = new Set([...named, ...copies.map(({ of }) => of).filter((of) => !alone.has(of))]);
  const shown = new Set(
    addons.flatMap(({ options: own }) =>
      own.flatMap(({ value }) => (value.kind === 'thunk' ? (value.reads ?? []) : [])).map(({ data }) => data),
    ),
  );
  const weights = new Map<string, readonly Weight[]>();
  const meetsRows = new Set<string>();
  const models: IrModel[] = [];
  const addModel = (
    name: Name,
    info: ClassInfo,
    given: ReadonlyMap<string, Value>,
    copy: IrCopy | null,
  ): void => {
    const { text, span } = name;
    weights.set(text, copy ? info.weights.map((weight) => ({ ...weight, trainable: false })) : info.weights);
    if (info.meetsRows) meetsRows.add(text);
    const options = info.ir.options.flatMap((option): IrNamed[] => {
      const own = given.get(option.name)?.ir ?? option.value;
      if (option.origin === 'param') {
        const ref = { kind: 'param' as const, name: option.name };
        return [{ name: option.name, value: { kind: 'ref', ref, type: option.type, span } }];
      }
      return own ? [{ name: option.name, value: own }] : [];
    });
    models.push({ span, name: text, class: info.ir.name, options, copy });
  };
  for (const { decl, file } of modelsOf(files, used)) {
    const info = classOf(env, decl, file);
    if (info) addModel(decl.name, info, new Map(), null);
  }
  for (const { decl, model, file, params, copy } of derived) {
    if (!used.has(decl.name.text)) continue;
    const info = classOf(env, model, file);
    const own = copy && alone.has(copy.of) ? { ...copy, alone: true as const } : copy;
    if (info) addModel(decl.name, info, params, own);
  }
  const data = [...datas.values()]
    .filter(
      ({ ir: { name } }) =>
        shown.has(name) || made.some((step) => step.inputs.some((input) => input.data === name)),
    )
    .map((info) => info.ir);
  const ir: IrTrainer = {
    span: trainer.span,
    doc: trainer.doc,
    name: trainer.name.text,
    params: decls.flatMap((decl) => {
      if (decl.kind !== 'param') return [];
      const { item } = decl;
      const open = openValue(env, item, 'param');
      const fallback = env.checker.capture(() => checkDefault(env, item, env)).result;
      const { where } = item;
      const choices =
        item.type.kind === 'unionType'
          ? item.type.members.flatMap((member) => (member.kind === 'literalType' ? [member.value] : []))
          : [];
      return [
        {
          span: item.span,
          doc: decl.doc ?? item.doc,
          name: item.name.text,
          type: choices.length > 0 ? { kind: 'choice' as const, values: choices } : irType(open.type),
          value: fallback?.ir ?? null,
          where: where ? { test: checkExpr(env, where).ir, text: sourceText(env, scope, where.span) } : null,
        },
      ];
    }),
    asserts: decls.flatMap((decl) =>
      decl.kind === 'assert'
        ? [
            {
              span: decl.span,
              test: checkExpr(env, decl.test).ir,
              text: sourceText(env, scope, decl.test.span),
              message: decl.message?.value ?? null,
            },
          ]
        : [],
    ),
    options,
    data,
    ...amendsOf(
      env,
      decls,
      datas,
      data.map(({ name }) => name),
      optimizers,
    ),
    models,
    schedules,
    optimizers,
    steps: made,
    addons,
  };
  return { ir, weights, meetsRows };
};

/** Models that only frozen copies are made of: these begin as the model would, which need not be there. */
const heldAlone = (
  copies: readonly IrCopy[],
  named: ReadonlySet<string>,
  addons: readonly IrAddon[],
): ReadonlySet<string> => {
  const loaded = new Set(
    addons.flatMap(({ options }) =>
      options.flatMap(({ name, value }) =>
        name === 'into' && value.kind === 'literal' ? [String(value.value).split('.')[0]] : [],
      ),
    ),
  );
  const isPlain = ({ kind, of, options }: IrCopy): boolean =>
    kind === 'frozen' && !(loaded.has(of) && options.some(({ name }) => name === 'from'));
  return new Set(
    copies.flatMap(({ of }) =>
      !named.has(of) && copies.every((each) => each.of !== of || isPlain(each)) ? [of] : [],
    ),
  );
};

const modelsIn = (node: unknown): ReadonlySet<string> => {
  const names = new Set<string>();
  walkIr(node, (each) => {
    if (each['kind'] === 'model' && typeof each['model'] === 'string') names.add(each['model']);
  });
  const plain = (each: unknown): void => {
    if (Array.isArray(each)) each.forEach(plain);
    else if (typeof each === 'object' && each !== null && 'model' in each && typeof each.model === 'string')
      names.add(each.model);
  };
  if (Array.isArray(node)) node.forEach(plain);
  return names;
};

/** In the order of the text, imported files first: one may be used by an imported function alone. */
const modelsOf = (
  files: readonly FileScope[],
  used: ReadonlySet<string>,
): readonly { readonly decl: Extract<Decl, { kind: 'model' }>; readonly file: FileScope }[] =>
  files.flatMap((file) =>
    file.decls.flatMap((decl) => (decl.kind === 'model' && used.has(decl.name.text) ? [{ decl, file }] : [])),
  );
