/** Expressions of the IR as TypeScript. After this: nothing but nodes; each knows its span. */
import type { ts } from 'ts-morph';
import type { IrExpr, IrNamed, IrRef, IrSlice, IrSlotRef, IrType, Unit as UnitName } from '../checker/ir.js';
import { readsRun } from '../checker/ir-walk.js';
import { EmitError, NAMESPACES, type Place, type RuntimeValue, inside } from './context.js';
import { camel, pascal } from './names.js';
import { takesGradients } from './recorded.js';
import { parseSize, type SizeNode } from '../values/size-text.js';
import type { Entry } from './tree.js';
import { batchType, typeNode } from './types.js';
import { emitStatements } from './statements.js';
import { unreadIn } from './unread.js';

const isNamespace = (name: string): name is RuntimeValue => NAMESPACES.some((each) => each === name);

/** Names of a class of JavaScript's `Math` that mean the same. */
const MATH = new Set(
  'abs ceil cos exp expm1 floor log log1p log2 max min pow round sign sin sqrt tanh'.split(' '),
);

export const emitExpression = (place: Place, expr: IrExpr): ts.Expression =>
  place.unit.tree.at(expr.span, emitKind(place, expr));

const emitAll = (place: Place, list: readonly IrExpr[]): readonly ts.Expression[] =>
  list.map((each) => emitExpression(place, each));

/** Entries of an options object, in camelCase. */
export const emitOptions = (place: Place, options: readonly IrNamed[]): readonly Entry[] =>
  options.map(({ name, value }) => ({
    key: camel(name),
    value: emitExpression(place, value),
    span: value.span,
  }));

/** Arguments of a call of the runtime: tensors in order, then one object where there is anything to say. */
export const withOptions = (
  place: Place,
  args: readonly ts.Expression[],
  entries: readonly Entry[],
): readonly ts.Expression[] => (entries.length === 0 ? args : [...args, place.unit.tree.object(entries)]);

/** `{ name: 'token_windows', file: './corpus.ts' }`: what an extern is called where it fails. */
export const declaredAs = ({ tree }: Place['unit'], name: string, module: string): ts.Expression =>
  tree.object([
    { key: 'name', value: tree.text(name) },
    { key: 'file', value: tree.text(module) },
  ]);

/** As `withOptions`, of a function in TypeScript: one that is declared with options gets an object, whatever is in it. */
export const withExternOptions = (
  place: Place,
  { module, name }: { readonly module: string; readonly name: string },
  args: readonly ts.Expression[],
  entries: readonly Entry[],
): readonly ts.Expression[] => {
  const { unit } = place;
  const takes = unit.ir.modules.some(({ externs }) =>
    externs.some(
      (extern) =>
        extern.module === module && extern.items.some((item) => item.name === name && item.params.length > 0),
    ),
  );
  return takes ? [...args, unit.tree.object(entries)] : args;
};

const emitKind = (place: Place, expr: IrExpr): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  switch (expr.kind) {
    case 'literal':
      return tree.literal(expr.value);
    case 'items':
      return tree.array(emitAll(place, expr.items));
    case 'record':
      return tree.object(
        expr.fields.map(({ name, value }) => ({
          key: name,
          value: emitExpression(place, value),
          span: value.span,
        })),
      );
    case 'field':
      return tree.member(emitExpression(place, expr.of), expr.name);
    case 'ref':
      if (expr.ref.kind === 'measured') {
        const own = tree.member(tree.self(), 'measured');
        return tree.call(
          own,
          [tree.text(expr.ref.step), tree.text(expr.ref.name)],
          [typeNode(unit, expr.type)],
        );
      }
      if (expr.ref.kind === 'weight' && expr.ref.extern) {
        const weight = tree.member(emitSlot(place, expr.ref.slot), 'weight');
        const found = tree.call(weight, [tree.text(expr.ref.weight)], [typeNode(unit, expr.type)]);
        return tree.call(tree.member(found, 'read'), []);
      }
      return emitRef(place, expr.ref);
    case 'host':
      // Quantities of one unit compare and add up as their numbers; `run.step` is a number too.
      return emitHost(
        place,
        expr.op,
        expr.args.map((arg) => (arg.kind === 'quantity' ? arg.value : arg)),
      );
    case 'hostCall':
      return emitHostCall(place, expr.fn, emitAll(place, expr.args));
    case 'choose':
      return tree.factory.createConditionalExpression(
        emitExpression(place, expr.test),
        undefined,
        emitExpression(place, expr.then),
        undefined,
        emitExpression(place, expr.else),
      );
    case 'decide': {
      // Within another question the run is at hand.
      if (place.names.find('run') !== null) return emitExpression(place, expr.test);
      const own = tree.member(tree.self(), 'decide');
      return tree.call(own, [tree.text(expr.label), emitQuestion(place, expr.test)]);
    }
    case 'element':
      return tree.call(unit.export('ops', 'element'), emitAll(place, [expr.of, expr.index]));
    case 'op': {
      const draw = expr.draw === null ? [] : [{ key: 'draw', value: tree.text(expr.draw) }];
      const entries = [...emitOptions(place, expr.options), ...draw];
      const module = externOf(expr.home);
      const given = emitAll(place, expr.args);
      const args =
        module === null
          ? withOptions(place, given, entries)
          : withExternOptions(place, { module, name: expr.name }, given, entries);
      const call = tree.call(
        emitCallee(place, expr.home, expr.name),
        args,
        free(place, expr.free, expr.type),
      );
      return module === null
        ? call
        : tree.call(unit.export('ops', 'extern'), [
            declaredAs(unit, expr.name, module),
            tree.arrow([], tree.at(expr.span, call)),
          ]);
    }
    case 'slice': {
      const places = tree.array(expr.slices.map((slice) => emitSlice(place, slice)));
      const args = [emitExpression(place, expr.of), places];
      if (expr.home === 'arrays') {
        const isOne = expr.type.kind !== 'tensor' || expr.type.shape.length === 0;
        return tree.call(unit.export('arrays', isOne ? 'at' : 'slice'), args);
      }
      return tree.call(unit.export('ops', 'slice'), args, [typeNode(unit, expr.type)]);
    }
    case 'apply':
      return tree.call(
        tree.member(emitSlot(place, expr.slot), 'call'),
        emitAll(place, expr.inputs),
        free(place, expr.slot.free, expr.type),
      );
    case 'model': {
      const model = place.read.model(expr.model);
      const called =
        expr.label === null ? model : tree.call(tree.member(model, 'as'), [tree.text(expr.label)]);
      return tree.call(tree.member(called, 'call'), emitAll(place, expr.inputs));
    }
    case 'batchSize':
      return tree.call(unit.export('rows', 'count'), [place.read.batchTensor(expr.batch)]);
    case 'quantity':
      return emitQuantity(place, expr.unit, emitExpression(place, expr.value));
    case 'rest':
      return unit.export('units', 'rest');
    case 'monitor':
      return tree.call(unit.export('addons', expr.mode ?? 'metric'), [tree.text(expr.metric)]);
    case 'clip':
      return tree.call(unit.export('optim', `clip_${expr.how}`), [
        tree.object([{ key: 'most', value: emitExpression(place, expr.most) }]),
      ]);
    case 'freezeAfter':
      return tree.call(unit.export('optim', 'freeze_after'), [
        tree.object([
          { key: 'from', value: emitExpression(place, expr.from) },
          ...(expr.first ? [{ key: 'first', value: emitExpression(place, expr.first) }] : []),
        ]),
      ]);
    case 'axis':
      return tree.call(unit.export('addons', 'axis'), [
        tree.object([
          { key: 'name', value: tree.text(expr.name) },
          { key: 'values', value: tree.array(emitAll(place, expr.values)) },
        ]),
      ]);
    case 'folds':
      return tree.call(unit.export('data', 'folds'), [
        tree.object([{ key: 'count', value: emitExpression(place, expr.count) }]),
      ]);
    case 'part':
      return tree.call(unit.export('data', expr.how), [
        tree.object([{ key: 'fold', value: emitExpression(place, expr.fold) }]),
      ]);
    case 'env':
      return tree.call(unit.export('addons', 'env'), [tree.text(expr.variable)]);
    case 'thunk':
      return emitThunk(place, expr);
  }
};

/** `() => …`, or `addons.over({ valSet: addons.first('val_set', 16) }, ({ valSet }) => …)`. */
const emitThunk = (place: Place, thunk: Extract<IrExpr, { readonly kind: 'thunk' }>): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  const { reads = [], body, value } = thunk;
  const within = inside(place, unreadIn(body, value));
  const picked = reads.map(({ name, data }) => ({
    key: name,
    name: within.names.declare(`first:${name}`, camel(name)),
    data,
  }));
  const statements = emitStatements(within, body);
  const result = emitExpression(within, value);
  const recorded = takesGradients(unit.ir, [body, value]);
  const made = (params: readonly ts.ParameterDeclaration[]): ts.Expression =>
    recorded
      ? tree.arrow(params, tree.call(unit.export('ops', 'recorded'), [tree.lambda([], statements, result)]))
      : tree.lambda(params, statements, result);
  if (reads.length === 0) return made([]);
  const first = tree.object(
    reads.map(({ name, data, count, span }) => ({
      key: name,
      value: tree.call(unit.export('addons', 'first'), [
        tree.object([
          { key: 'data', value: tree.text(data) },
          { key: 'count', value: emitExpression(place, count) },
        ]),
      ]),
      span,
    })),
  );
  const type = tree.recordType(
    picked.map(({ key, data }) => {
      const set = unit.ir.trainer?.data.find((each) => each.name === data);
      if (set === undefined) throw new EmitError(`no data set is called ${JSON.stringify(data)}`);
      return { key, type: batchType(unit, set.batch, 'given') };
    }),
  );
  return tree.call(unit.export('addons', 'over'), [first, made([tree.param(tree.pick(picked), type)])]);
};

/** `(run) => run.step >= 200`, or `() => …` where the run is not looked at. */
export const emitQuestion = (place: Place, test: IrExpr): ts.Expression => {
  const { tree } = place.unit;
  const within = inside(place);
  const run = within.names.declare('run', 'run');
  return tree.arrow(readsRun(test) ? [tree.param(run)] : [], emitExpression(within, test));
};

const free = (place: Place, isFree: boolean, type: IrType): readonly ts.TypeNode[] =>
  isFree ? [typeNode(place.unit, type)] : [];

const externOf = (home: string): string | null =>
  home.startsWith('extern:') ? home.slice('extern:'.length) : null;

const emitCallee = (place: Place, home: string, name: string): ts.Expression => {
  const module = externOf(home);
  if (module !== null) return place.unit.tree.member(place.unit.extern(module), camel(name));
  if (!isNamespace(home)) throw new EmitError(`the runtime has no namespace ${JSON.stringify(home)}`);
  return place.unit.export(home, name);
};

const emitQuantity = (place: Place, name: UnitName, value: ts.Expression): ts.Expression =>
  place.unit.tree.call(place.unit.export('units', name), [value]);

const emitSlice = (place: Place, slice: IrSlice): ts.Expression => {
  const { tree } = place.unit;
  if (slice.kind === 'ellipsis') return tree.text('ellipsis');
  if (slice.kind === 'at') return emitExpression(place, slice.at);
  if (slice.from === null && slice.to === null) return tree.literal(null);
  const end = (value: IrExpr | null): ts.Expression =>
    value === null ? tree.literal(null) : emitExpression(place, value);
  return tree.array([end(slice.from), end(slice.to)]);
};

/** The layer or block itself: `this.conv`, `nn.present(this.project)`, `item.norm`. */
export const emitSlot = (place: Place, slot: IrSlotRef): ts.Expression => {
  const { tree } = place.unit;
  const found =
    slot.kind === 'own'
      ? place.read.slot(slot.slot).value
      : slot.slot === null
        ? tree.id(known(place, `local:${slot.item}`))
        : tree.member(tree.id(known(place, `local:${slot.item}`)), slot.slot);
  return slot.conditional ? tree.call(place.unit.export('nn', 'present'), [found]) : found;
};

const known = (place: Place, key: string): string => {
  const name = place.names.find(key);
  if (name === null) throw new EmitError(`${JSON.stringify(key)} is used before it is declared`);
  return name;
};

const emitRef = (place: Place, ref: Exclude<IrRef, { readonly kind: 'measured' }>): ts.Expression => {
  const { unit, read } = place;
  const { tree } = unit;
  switch (ref.kind) {
    case 'local':
    case 'input':
    case 'batch':
    case 'index':
    case 'part':
      return tree.id(known(place, `${ref.kind}:${ref.name}`));
    case 'row':
      return tree.id(known(place, 'row'));
    case 'param':
      return read.param(ref.name);
    case 'const':
      return unit.constant(ref.name);
    case 'option':
      return read.option(ref.name);
    case 'dim':
      return read.dim(ref.name);
    case 'weight':
      return tree.call(tree.member(tree.member(emitSlot(place, ref.slot), camel(ref.weight)), 'read'), []);
    case 'schedule':
      return read.schedule(ref.name);
    case 'first':
      return tree.id(known(place, `first:${ref.name}`));
    case 'run':
      return tree.member(tree.id(known(place, 'run')), ref.name);
  }
};

const emitHost = (place: Place, op: string, args: readonly IrExpr[]): ts.Expression => {
  // Chains of `and` and `or` lean to the left, as prettier writes them; else its tree would not be ours.
  const flat = op === 'and' || op === 'or' ? flatten(op, args) : args;
  const [first, ...rest] = emitAll(place, flat);
  if (first === undefined || rest.length === 0) {
    throw new EmitError(`\`${op}\` wants two operands, not ${flat.length}`);
  }
  return rest.reduce((left, right) => binary(place, op, left, right), first);
};

const flatten = (op: string, args: readonly IrExpr[]): readonly IrExpr[] =>
  args.flatMap((arg) => (arg.kind === 'host' && arg.op === op ? flatten(op, arg.args) : [arg]));

const binary = (place: Place, op: string, left: ts.Expression, right: ts.Expression): ts.Expression => {
  const { tree } = place.unit;
  const { ts: compiler, factory } = tree;
  const kind = compiler.SyntaxKind;
  const tokens: Readonly<Record<string, ts.BinaryOperator>> = {
    '+': kind.PlusToken,
    '-': kind.MinusToken,
    '*': kind.AsteriskToken,
    '/': kind.SlashToken,
    '%': kind.PercentToken,
    '**': kind.AsteriskAsteriskToken,
    '==': kind.EqualsEqualsEqualsToken,
    '!=': kind.ExclamationEqualsEqualsToken,
    '<': kind.LessThanToken,
    '<=': kind.LessThanEqualsToken,
    '>': kind.GreaterThanToken,
    '>=': kind.GreaterThanEqualsToken,
    and: kind.AmpersandAmpersandToken,
    or: kind.BarBarToken,
  };
  const token = tokens[op];
  if (token === undefined) throw new EmitError(`no operator on host values is spelled ${JSON.stringify(op)}`);
  // JavaScript refuses `-a ** b`; TypeScript's factory does not know.
  const base =
    op === '**' && compiler.isPrefixUnaryExpression(left)
      ? factory.createParenthesizedExpression(left)
      : left;
  return factory.createBinaryExpression(base, token, right);
};

const emitHostCall = (place: Place, fn: string, args: readonly ts.Expression[]): ts.Expression => {
  const { tree } = place.unit;
  const { factory, ts: compiler } = tree;
  const math = (name: string, values: readonly ts.Expression[]): ts.Expression =>
    tree.call(tree.member(tree.id('Math'), name), values);
  const divide = (above: ts.Expression, below: ts.Expression): ts.Expression =>
    factory.createBinaryExpression(above, compiler.SyntaxKind.SlashToken, below);
  const [first, second, third] = args;
  if (first === undefined) throw new EmitError(`\`${fn}\` of a host value wants an operand`);
  if (MATH.has(fn)) return math(fn, args);
  switch (fn) {
    case 'neg':
      return factory.createPrefixUnaryExpression(compiler.SyntaxKind.MinusToken, first);
    case 'not':
      return factory.createPrefixUnaryExpression(compiler.SyntaxKind.ExclamationToken, first);
    case 'square':
      return math('pow', [first, tree.number(2)]);
    case 'rsqrt':
      return divide(tree.number(1), math('sqrt', [first]));
    case 'sigmoid': {
      const { MinusToken, PlusToken } = compiler.SyntaxKind;
      const power = math('exp', [factory.createPrefixUnaryExpression(MinusToken, first)]);
      return divide(tree.number(1), factory.createBinaryExpression(tree.number(1), PlusToken, power));
    }
    case 'relu':
      return math('max', [first, tree.number(0)]);
    case 'clamp':
      if (second === undefined || third === undefined) break;
      return math('min', [math('max', [first, second]), third]);
    default:
      break;
  }
  throw new EmitError(`\`${fn}\` cannot be computed on host values`);
};

/** A size as the checker writes it, over params, options and dims of the place. */
export const emitSize = (
  place: Place,
  size: string,
  read: (name: string) => ts.Expression,
): ts.Expression => {
  const { tree } = place.unit;
  const emit = (node: SizeNode): ts.Expression => {
    switch (node.kind) {
      case 'number':
        return tree.number(node.value);
      case 'name':
        return read(node.name);
      case 'binary':
        return node.op === '-' && node.left.kind === 'number' && node.left.value === 0
          ? emitHostCall(place, 'neg', [emit(node.right)])
          : binary(place, node.op, emit(node.left), emit(node.right));
      case 'call':
        return emitHostCall(place, node.fn, node.args.map(emit));
    }
  };
  return emit(parseSize(size));
};

/** Does the value of an attribute move with the run? */
export const readsSchedule = (expr: IrExpr): boolean => {
  switch (expr.kind) {
    case 'ref':
      return expr.ref.kind === 'schedule';
    case 'host':
    case 'hostCall':
      return expr.args.some(readsSchedule);
    case 'choose':
      return [expr.test, expr.then, expr.else].some(readsSchedule);
    case 'items':
      return expr.items.some(readsSchedule);
    default:
      return false;
  }
};

/** The class of a layer of the prelude: `conv2d_transpose` → `nn.Conv2dTranspose`. */
export const layerType = (place: Place, layer: string): ts.TypeNode =>
  place.unit.exportType('nn', pascal(layer));
