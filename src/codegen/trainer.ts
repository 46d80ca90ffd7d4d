/** The trainer's class: its configuration and its steps. */
import type { ts } from 'ts-morph';
import type {
  Ir,
  IrAddon,
  IrData,
  IrExpr,
  IrMatching,
  IrNamed,
  IrOptimizer,
  IrSchedule,
  IrStep,
  IrTrainer,
} from '../checker/ir.js';
import { emitAddon } from './add-ons.js';
import {
  EmitError,
  type Place,
  type Readers,
  type Unit,
  createPicked,
  createPlace,
  inside,
} from './context.js';
import { emitData } from './data-sets.js';
import { emitExpression, emitOptions, readsSchedule, withOptions } from './expressions.js';
import { camel, createPropertyNames, instanceOf, pascal } from './names.js';
import { takesGradients } from './recorded.js';
import { emitStepBody } from './steps.js';
import type { Entry } from './tree.js';
import {
  type InterfaceNames,
  type TrainerOptions,
  type Write,
  emitInterfaces,
  emitSpec,
  nameIn,
} from './trainer-spec.js';
import { batchType, tensorText, typeNode } from './types.js';
import { namesRead, unreadIn } from './unread.js';

/** Members of `Trainer` that a step's method must not hide. */
const TRAINER_MEMBERS = (
  'addons addOns checkAddOns constructor data dataNames dataSets decide every fit log measured models now optimizers options params predict run schedules ' +
  'spec steps test update validate'
).split(' ');

export const emitTrainer = (
  unit: Unit,
  ir: Ir,
  trainer: IrTrainer,
  options: TrainerOptions,
): readonly ts.Statement[] => {
  const { tree } = unit;
  const { factory } = tree;
  const stem = trainer.name.replace(/Trainer$/, '') || trainer.name;
  const own = unit.names.find('trainer') ?? trainer.name;
  const names: InterfaceNames = {
    params: unit.names.declare('interface:params', `${stem}Params`),
    models: unit.names.declare('interface:models', `${stem}Models`),
    data: unit.names.declare('interface:data', `${stem}Data`),
    schedules: unit.names.declare('interface:schedules', `${stem}Schedules`),
  };
  const members = unit.names.child(TRAINER_MEMBERS);
  const models = createPropertyNames();
  for (const model of trainer.models) models.declare(`model:${model.name}`, instanceOf(model.name));
  const sets = createPropertyNames();
  for (const data of trainer.data) sets.declare(`data:${data.name}`, camel(data.name));
  const write: Write = { unit, trainer, names, models, sets, members };

  const parameters = [names.params, names.models, names.data, names.schedules].map((name) => tree.type(name));
  const base = factory.createExpressionWithTypeArguments(unit.value('Trainer'), parameters);
  const methods = [
    configureData(write),
    configureModels(write),
    ...(trainer.schedules.length === 0 ? [] : [configureSchedules(write)]),
    configureOptimizers(write),
    ...(trainer.models.some(({ copy }) => copy !== null) ? [configureCopies(write)] : []),
    configureSteps(write),
    ...(ownAddOns(trainer).length === 0 ? [] : [configureAddOns(write)]),
    ...trainer.steps.map((step) => stepMethod(write, step)),
  ];
  const made = factory.createClassDeclaration(
    tree.modifiers('export'),
    tree.id(own),
    undefined,
    [factory.createHeritageClause(tree.ts.SyntaxKind.ExtendsKeyword, [base])],
    [emitSpec(write, ir, options), ...methods.map((method) => tree.apart(method))],
  );
  return [...emitInterfaces(write), tree.at(trainer.span, tree.doc(tree.apart(made), trainer.doc))];
};

// ---- configuration

/** A method whose body reads params from `this.params`, taken apart first. */
const method = (
  write: Write,
  name: string,
  params: readonly ts.ParameterDeclaration[],
  result: ts.TypeNode | undefined,
  body: (place: Place) => readonly ts.Statement[],
): ts.ClassElement => {
  const { unit, trainer } = write;
  const { tree } = unit;
  const names = unit.names.child(['models', 'from']);
  const picked = createPicked(
    tree,
    names,
    'param',
    trainer.params.map((param) => param.name),
    camel,
  );
  const place = createPlace(unit, names, {
    param: picked.read,
    model: (model) => tree.member(tree.id('models'), nameIn(write.models, `model:${model}`)),
  });
  const statements = body(place);
  const first = picked.isEmpty()
    ? []
    : [tree.variable('const', tree.pick(picked.names()), tree.member(tree.self(), 'params'))];
  return tree.factory.createMethodDeclaration(
    tree.modifiers('protected', 'override'),
    undefined,
    name,
    undefined,
    undefined,
    [...params],
    result,
    tree.block([...first, ...statements]),
  );
};

const giveObject = (place: Place, entries: readonly Entry[]): readonly ts.Statement[] => [
  place.unit.tree.giveBack(place.unit.tree.object(entries, true)),
];

const configureData = (write: Write): ts.ClassElement =>
  method(write, 'configureData', [], write.unit.tree.type(write.names.data), (place) =>
    giveObject(
      place,
      write.trainer.data.map((data) => ({
        key: nameIn(write.sets, `data:${data.name}`),
        value: emitData(place, data),
        span: data.span,
      })),
    ),
  );

const configureModels = (write: Write): ts.ClassElement =>
  method(write, 'configureModels', [], write.unit.tree.type(write.names.models), (place) =>
    giveObject(
      place,
      write.trainer.models.map((model) => ({
        key: nameIn(write.models, `model:${model.name}`),
        value: place.unit.tree.factory.createNewExpression(
          place.unit.tree.id(place.unit.classOf(model.class)),
          undefined,
          [...withOptions(place, [], emitOptions(place, model.options))],
        ),
        span: model.span,
      })),
    ),
  );

const configureSchedules = (write: Write): ts.ClassElement =>
  method(write, 'configureSchedules', [], write.unit.tree.type(write.names.schedules), (place) => {
    const { unit } = place;
    const { tree } = unit;
    return giveObject(
      place,
      write.trainer.schedules.map((schedule) => ({
        key: schedule.name,
        span: schedule.span,
        value: tree.call(unit.export('schedules', 'chain'), [
          tree.array(schedule.phases.map((phase) => tree.at(phase.span, emitPhase(write, place, phase)))),
        ]),
      })),
    );
  });

const emitPhase = (
  write: Write,
  place: Place,
  { kind, options, extern }: IrSchedule['phases'][number],
): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  if (extern === undefined)
    return tree.call(unit.export('schedules', kind), withOptions(place, [], settings(write, place, options)));
  const declared = tree.object([
    { key: 'name', value: tree.text(kind) },
    { key: 'file', value: tree.text(extern.module) },
    { key: 'starts', value: tree.literal(extern.starts) },
  ]);
  const isLoops = ({ name }: IrNamed): boolean => name === 'over' || name === 'from';
  return tree.call(unit.export('schedules', 'extern'), [
    declared,
    tree.member(unit.extern(extern.module), camel(kind)),
    tree.object(
      settings(
        write,
        place,
        options.filter((each) => !isLoops(each)),
      ),
    ),
    tree.object(settings(write, place, options.filter(isLoops))),
  ]);
};

/** Options of which some may follow a schedule: these become functions of the clock. */
const settings = (write: Write, place: Place, options: readonly IrNamed[]): readonly Entry[] =>
  options.map(({ name, value }) => ({
    key: camel(name),
    value: setting(write, place, value),
    span: value.span,
  }));

const setting = (write: Write, place: Place, value: IrExpr): ts.Expression => {
  if (!readsSchedule(value)) return emitExpression(place, value);
  const { unit } = place;
  const { tree } = unit;
  const within = inside(place);
  const picked = createPicked(
    tree,
    within.names,
    'schedule',
    write.trainer.schedules.map((schedule) => schedule.name),
    (name) => name,
  );
  const body = emitExpression({ ...within, read: { ...within.read, schedule: picked.read } }, value);
  const clock = unit.type('Clock', [tree.type(write.names.schedules)]);
  return tree.arrow([tree.param(tree.pick(picked.names()), clock)], body);
};

const configureOptimizers = (write: Write): ts.ClassElement => {
  const { tree } = write.unit;
  const models = tree.param('models', tree.type(write.names.models));
  return method(write, 'configureOptimizers', [models], undefined, (place) =>
    giveObject(
      place,
      write.trainer.optimizers.map((optimizer) => ({
        key: optimizer.name,
        value: emitOptimizer(write, place, optimizer),
        span: optimizer.span,
      })),
    ),
  );
};

const configureCopies = (write: Write): ts.ClassElement => {
  const { tree } = write.unit;
  const models = tree.param('models', tree.type(write.names.models));
  return method(write, 'configureCopies', [models], undefined, (place) =>
    giveObject(
      place,
      write.trainer.models.flatMap(({ name, copy, span }) => {
        if (copy === null) return [];
        const value = tree.call(write.unit.export('copies', copy.kind), [
          tree.object([
            { key: 'of', value: copy.alone ? tree.text(copy.of) : place.read.model(copy.of) },
            { key: 'into', value: place.read.model(name) },
            ...settings(write, place, copy.options),
          ]),
        ]);
        return [{ key: name, value: tree.at(copy.span, value), span }];
      }),
    ),
  );
};

const emitOptimizer = (write: Write, place: Place, optimizer: IrOptimizer): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  const of = optimizer.of.map(({ model, span }) => tree.at(span, place.read.model(model)));
  const groups = optimizer.groups.map((group) =>
    tree.at(
      group.span,
      tree.object([
        { key: 'name', value: tree.text(group.name) },
        ...patternsOf(tree, group),
        ...settings(write, place, group.options),
      ]),
    ),
  );
  const common = tree.object([
    { key: 'of', value: tree.array(of) },
    ...(optimizer.owns === null ? [] : patternsOf(tree, optimizer.owns)),
    ...settings(write, place, optimizer.options),
    ...(groups.length === 0 ? [] : [{ key: 'groups', value: tree.array(groups) }]),
  ]);
  const { extern, kind } = optimizer;
  if (extern === undefined) return tree.call(unit.export('optim', kind), [common]);
  const declared = tree.object([
    { key: 'name', value: tree.text(kind) },
    { key: 'file', value: tree.text(extern.module) },
    { key: 'slots', value: tree.array(extern.slots.map((slot) => tree.text(slot))) },
  ]);
  return tree.call(unit.export('optim', 'extern'), [
    declared,
    tree.member(unit.extern(extern.module), camel(kind)),
    tree.object(settings(write, place, extern.options)),
    common,
  ]);
};

const patternsOf = (tree: Unit['tree'], { match, except }: IrMatching): readonly Entry[] => {
  const list = (key: string, patterns: IrMatching['match']): Entry => ({
    key,
    value: tree.array(patterns.map(({ pattern, span }) => tree.at(span, tree.text(pattern)))),
  });
  return [list('match', match), ...(except.length === 0 ? [] : [list('except', except)])];
};

const configureSteps = (write: Write): ts.ClassElement => {
  const { unit } = write;
  const { tree } = unit;
  const from = tree.param('from', tree.type(write.names.data));
  return method(write, 'configureSteps', [from], undefined, (place) => [
    tree.giveBack(
      tree.array(
        write.trainer.steps.map((step) => {
          const sets = step.inputs.map(({ data, span }) =>
            tree.at(span, tree.member(tree.id('from'), nameIn(write.sets, `data:${data}`))),
          );
          const names = unit.names.child();
          const batches = step.inputs.map(({ name }) => names.declare(`batch:${name}`, camel(name)));
          const call = tree.call(
            tree.member(tree.self(), stepName(write, step)),
            batches.map((name) => tree.id(name)),
          );
          // A validation always has options; no other stage has any.
          const when: readonly Entry[] =
            step.every === null
              ? []
              : [{ key: 'every', value: emitExpression(place, step.every), span: step.every.span }];
          const every = step.stage === 'validate' || when.length > 0 ? [tree.object(when)] : [];
          return tree.at(
            step.span,
            tree.call(unit.export('steps', step.stage), [
              tree.text(step.name),
              tree.array(sets),
              ...every,
              tree.arrow(
                batches.map((name) => tree.param(name)),
                call,
              ),
            ]),
          );
        }),
        true,
      ),
    ),
  ]);
};

/** Add-ons of one run: a sweep is about several. */
const ownAddOns = ({ addons }: IrTrainer): readonly IrAddon[] =>
  addons.filter(({ name }) => name !== 'sweep');

const configureAddOns = (write: Write): ts.ClassElement => {
  const { unit } = write;
  const { tree } = unit;
  const body = (place: Place): ts.Expression =>
    tree.array(
      ownAddOns(write.trainer).map((addon) => emitAddon(place, addon, settings(write, place, addon.options))),
      true,
    );
  // `models` is declared only where an add-on asks for one: an unused parameter is an error in strict code.
  const asks = JSON.stringify(ownAddOns(write.trainer).map((addon) => addon.options)).includes(
    '"kind":"model"',
  );
  const params = asks ? [tree.param('models', tree.type(write.names.models))] : [];
  return method(write, 'configureAddOns', params, undefined, (place) => [tree.giveBack(body(place))]);
};

// ---- steps

const stepName = ({ members }: Write, step: IrStep): string =>
  step.part === undefined
    ? members.declare(`step:${step.name}`, `${camel(step.name)}Step`)
    : members.declare(`step:${step.name}:${step.part}`, `${camel(step.name)}${pascal(step.part)}Step`);

const stepMethod = (write: Write, step: IrStep): ts.ClassElement => {
  const { unit, trainer } = write;
  const { tree } = unit;
  const names = unit.names.child();
  const own = (name: string): ts.Expression => tree.member(tree.self(), name);
  const fieldsOf = (name: string): IrData['batch'] => {
    const input = step.inputs.find((each) => each.name === name);
    const data = trainer.data.find((each) => each.name === input?.data);
    if (data === undefined) throw new EmitError(`step ${step.name} reads no data as ${JSON.stringify(name)}`);
    return data.batch;
  };
  const unread = unreadIn(step.body, null);
  const read = namesRead(step.body, unread);
  const params = step.inputs.map(({ name, span }) => {
    const key = `batch:${name}`;
    // TypeScript lets a parameter go unread where its name says so.
    const identifier = names.declare(key, read.has(key) ? camel(name) : `_${camel(name)}`);
    return tree.at(span, tree.param(identifier, batchType(unit, fieldsOf(name), 'given')));
  });
  const readers: Partial<Readers> = {
    param: (name) => tree.member(own('params'), camel(name)),
    model: (name) => tree.member(own('models'), nameIn(write.models, `model:${name}`)),
    schedule: (name) => tree.call(own('now'), [tree.text(name)]),
    batchTensor: (batch) => {
      const first = fieldsOf(batch).find(({ type }) => type.kind !== 'text');
      if (first === undefined)
        throw new EmitError(`${JSON.stringify(batch)} has no fields whose rows to count`);
      const own = tree.member(tree.id(nameIn(names, `batch:${batch}`)), first.name);
      return first.type.kind === 'missing' ? tree.member(own, 'value') : own;
    },
  };
  const place = createPlace(unit, names, readers, unread);
  const returned = step.body.find((statement) => statement.kind === 'return');
  const result =
    step.stage === 'measure'
      ? tree.recordType(
          step.body.flatMap((statement) =>
            statement.kind === 'measure'
              ? [{ key: statement.name, type: unit.exportType('rows', 'Measured') }]
              : [],
          ),
        )
      : returned === undefined
        ? tree.keyword('void')
        : tree.recordType(
            returned.fields.map(({ name, value }) => ({ key: name, type: typeNode(unit, value.type) })),
          );
  const plain = emitStepBody(place, step.body);
  const body = takesGradients(unit.ir, step.body) ? recordedBody(unit, plain, result) : plain;
  const made = tree.factory.createMethodDeclaration(
    undefined,
    undefined,
    stepName(write, step),
    undefined,
    undefined,
    params,
    result,
    tree.block(body),
  );
  const shapes = step.inputs.flatMap(({ name }) =>
    fieldsOf(name).map((each) => `${name}.${each.name}: ${tensorText(each.type) ?? each.type.kind}`),
  );
  return tree.at(
    step.span,
    tree.doc(made, [step.doc ?? '', shapes.join('; ')].filter((part) => part !== '').join('\n')),
  );
};

/** `return ops.recorded(() => { … });`: a tape is on while the body runs. */
const recordedBody = (
  unit: Unit,
  body: readonly ts.Statement[],
  result: ts.TypeNode,
): readonly ts.Statement[] => {
  const { tree } = unit;
  const call = tree.call(unit.export('ops', 'recorded'), [tree.arrow([], tree.block(body))]);
  return [
    result.kind === tree.ts.SyntaxKind.VoidKeyword
      ? tree.factory.createExpressionStatement(call)
      : tree.giveBack(call),
  ];
};
