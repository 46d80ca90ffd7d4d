/** What a trainer says about itself as data: the interfaces around it, and its spec. */
import type { ts } from 'ts-morph';
import { hasHostWork } from '../checker/host-work.js';
import type { Ir, IrParam, IrTrainer } from '../checker/ir.js';
import type { Amending } from '../values/amends.js';
import { emitChangedReads } from './changed-reads.js';
import { EmitError, type Unit, createPicked, createPlace } from './context.js';
import { emitExpression, emitOptions } from './expressions.js';
import { type NameScope, camel } from './names.js';
import { emitCondition } from './steps.js';
import type { Entry } from './tree.js';
import { batchType, typeNode } from './types.js';

export interface TrainerOptions {
  readonly compilerVersion: string;
  /** Of the text. */
  readonly sha256: string;
  readonly tokensSha256: string;
}

/** Names of the interfaces. */
export interface InterfaceNames {
  readonly params: string;
  readonly models: string;
  readonly data: string;
  readonly schedules: string;
}

/** A trainer while it is written, and the names of its parts. */
export interface Write {
  readonly unit: Unit;
  readonly trainer: IrTrainer;
  readonly names: InterfaceNames;
  readonly models: NameScope;
  readonly sets: NameScope;
  readonly members: NameScope;
}

export const nameIn = (scope: NameScope, key: string): string => {
  const name = scope.find(key);
  if (name === null) throw new EmitError(`${key} is not declared by the trainer`);
  return name;
};

export const emitInterfaces = ({ unit, trainer, names, models, sets }: Write): readonly ts.Statement[] => {
  const { tree } = unit;
  const { factory } = tree;
  const declare = (
    name: string,
    entries: Parameters<typeof tree.typeMembers>[0],
    doc: string,
  ): ts.Statement => {
    const made =
      entries.length === 0
        ? factory.createTypeAliasDeclaration(
            tree.modifiers('export'),
            tree.id(name),
            undefined,
            tree.recordType([]),
          )
        : factory.createInterfaceDeclaration(
            tree.modifiers('export'),
            tree.id(name),
            undefined,
            undefined,
            tree.typeMembers(entries),
          );
    return tree.doc(tree.apart(made), doc);
  };
  return [
    declare(
      names.params,
      trainer.params.map((param) => ({
        key: camel(param.name),
        type: typeNode(unit, param.type),
        doc: paramDoc(param),
        span: param.span,
      })),
      'What can be set at the start of a run.',
    ),
    declare(
      names.models,
      trainer.models.map((model) => ({
        key: nameIn(models, `model:${model.name}`),
        type: tree.type(unit.classOf(model.class)),
        span: model.span,
      })),
      '',
    ),
    declare(
      names.data,
      trainer.data.map((data) => ({
        key: nameIn(sets, `data:${data.name}`),
        type: unit.type('Data', [batchType(unit, data.batch, 'given')]),
        doc: data.doc,
        span: data.span,
      })),
      '',
    ),
    declare(
      names.schedules,
      trainer.schedules.map((schedule) => ({
        key: schedule.name,
        type: unit.exportType('schedules', 'Schedule'),
        doc: schedule.doc,
        span: schedule.span,
      })),
      '',
    ),
  ];
};

const paramDoc = ({ doc, where }: IrParam): string => {
  const condition = where === null ? '' : `Where ${where.text}.`;
  return [doc ?? '', condition].filter((part) => part !== '').join('\n');
};

/** Warnings about the train step that a run tells again at its start. */
const toldAtStart = ['ZT5023', 'ZT5026'];

export const emitSpec = (write: Write, ir: Ir, options: TrainerOptions): ts.ClassElement => {
  const { unit, trainer, names, models, sets } = write;
  const { tree } = unit;
  const main = ir.modules.at(-1);
  const place = createPlace(unit, unit.names.child());
  const paramNames = trainer.params.map((param) => param.name);
  const param = (each: IrParam): ts.Expression => {
    const choices =
      each.type.kind === 'choice'
        ? [{ key: 'choices', value: tree.array(each.type.values.map((value) => tree.text(value))) }]
        : [];
    const entries: readonly Entry[] = [
      { key: 'name', value: tree.text(each.name) },
      { key: 'key', value: tree.text(camel(each.name)) },
      { key: 'type', value: tree.text(each.type.kind === 'choice' ? 'string' : each.type.kind) },
      ...choices,
      ...(each.value === null
        ? []
        : [{ key: 'default', value: emitExpression(place, each.value), span: each.value.span }]),
      { key: 'doc', value: tree.text(each.doc ?? '') },
      {
        key: 'where',
        value:
          each.where === null
            ? tree.literal(null)
            : tree.object([
                { key: 'text', value: tree.text(each.where.text) },
                {
                  key: 'test',
                  value: emitCondition(place, paramNames, each.where.test),
                  span: each.where.test.span,
                },
              ]),
      },
    ];
    return tree.at(each.span, tree.object(entries));
  };
  const allowed = toldAtStart.filter((code) =>
    trainer.steps.some(({ stage, allowed: own }) => stage === 'train' && own?.includes(code)),
  );
  const spec = tree.object(
    [
      { key: 'name', value: tree.text(main?.name ?? trainer.name) },
      { key: 'trainer', value: tree.text(trainer.name) },
      // Threads that prepare rows import it; where no set has work for them, it says nothing.
      ...(trainer.data.some(hasHostWork)
        ? [{ key: 'module', value: tree.member(importMeta(unit), 'url') }]
        : []),
      { key: 'sha256', value: tree.text(options.sha256) },
      { key: 'tokensSha256', value: tree.text(options.tokensSha256) },
      { key: 'language', value: tree.number(ir.language) },
      { key: 'compiler', value: tree.text(options.compilerVersion) },
      { key: 'doc', value: tree.text(trainer.doc ?? main?.doc ?? '') },
      ...specNames(
        tree,
        'models',
        trainer.models.map(({ name }) => ({ key: nameIn(models, `model:${name}`), name })),
      ),
      ...specNames(
        tree,
        'data',
        trainer.data.map(({ name }) => ({ key: nameIn(sets, `data:${name}`), name })),
      ),
      ...emitAmends(tree, trainer),
      { key: 'params', value: tree.array(trainer.params.map(param), trainer.params.length > 0) },
      {
        key: 'asserts',
        value: tree.array(
          trainer.asserts.map(({ span, test, text, message }) =>
            tree.at(
              span,
              tree.object([
                { key: 'text', value: tree.text(text) },
                { key: 'message', value: message === null ? tree.literal(null) : tree.text(message) },
                { key: 'test', value: emitCondition(place, paramNames, test), span: test.span },
              ]),
            ),
          ),
        ),
      },
      ...(allowed.length > 0 ? [{ key: 'allowed', value: tree.array(allowed.map(tree.text)) }] : []),
      { key: 'options', value: runOptions(unit, trainer) },
      ...emitChangedReads(unit, trainer, ir),
      // The command line makes its runs, so it stands with what the command line reads.
      ...trainer.addons
        .filter(({ name }) => name === 'sweep')
        .map((addon) => ({
          key: 'sweep',
          value: tree.call(unit.export('addons', 'sweep'), [
            tree.object(emitOptions(place, addon.options), true),
          ]),
          span: addon.span,
        })),
    ],
    true,
  );
  return tree.factory.createPropertyDeclaration(
    tree.modifiers('static', 'override', 'readonly'),
    'spec',
    undefined,
    unit.type('TrainerSpec', [tree.type(names.params)]),
    spec,
  );
};

const importMeta = ({
  tree: {
    factory,
    ts: { SyntaxKind },
  },
}: Unit): ts.Expression =>
  factory.createMetaProperty(SyntaxKind.ImportKeyword, factory.createIdentifier('meta'));

/** Options of the run; a function of the params where one of them sets an option. */
const runOptions = (unit: Unit, trainer: IrTrainer): ts.Expression => {
  const { tree } = unit;
  const names = unit.names.child();
  const picked = createPicked(
    tree,
    names,
    'param',
    trainer.params.map((param) => param.name),
    camel,
  );
  const options = tree.object(emitOptions(createPlace(unit, names, { param: picked.read }), trainer.options));
  if (picked.isEmpty()) return options;
  return tree.arrow(
    [tree.param(tree.pick(picked.names()))],
    tree.factory.createParenthesizedExpression(options),
  );
};

/** `amends: { data: [{ name: 'test_set', of: 'train_set', own: ['batch'] }] }`; nothing where nothing amends another. */
const emitAmends = (tree: Unit['tree'], { amends }: IrTrainer): readonly Entry[] => {
  const list = (all: readonly Amending[]): ts.Expression =>
    tree.array(
      all.map(({ name, of, own }) =>
        tree.object([
          { key: 'name', value: tree.text(name) },
          { key: 'of', value: tree.text(of) },
          { key: 'own', value: tree.array(own.map((each) => tree.text(each))) },
        ]),
      ),
    );
  const { data, optimizers } = amends ?? {};
  const entries: readonly Entry[] = [
    ...(data ? [{ key: 'data', value: list(data) }] : []),
    ...(optimizers ? [{ key: 'optimizers', value: list(optimizers) }] : []),
  ];
  return entries.length === 0 ? [] : [{ key: 'amends', value: tree.object(entries) }];
};

/** Names of the spec by their keys here; nothing where the two agree. */
const specNames = (
  tree: Unit['tree'],
  key: string,
  pairs: readonly { readonly key: string; readonly name: string }[],
): readonly Entry[] =>
  pairs.every((pair) => pair.key === pair.name)
    ? []
    : [{ key, value: tree.object(pairs.map((pair) => ({ key: pair.key, value: tree.text(pair.name) }))) }];
