/**
 * Runs blocks and models straight from the IR, on the runtime's own ops and layers: what the checker says of a shape can
 * then be held against what is really computed, thousands of times a minute.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type {
  Ir,
  IrClass,
  IrContent,
  IrExpr,
  IrNamed,
  IrRef,
  IrSlice,
  IrSlotRef,
  IrStmt,
} from '../../src/checker/ir.js';
import { hostFunction } from './host-functions.js';
import { camel } from '../../src/codegen/names.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import { attach, parts, type Part } from '../../src/runtime/nn/module.js';
import * as ops from '../../src/runtime/ops/index.js';
import { stepContext, withStepContext, type Mode } from '../../src/runtime/trainer/step-context.js';

type Value = unknown;

/** A block or model as the runtime would have it. */
interface Instance extends Part {
  readonly run: (inputs: readonly Value[]) => readonly [result: Value, locals: ReadonlyMap<string, Value>];
}

const isPart = (value: unknown): value is Part =>
  typeof value === 'object' && value !== null && parts in value;

const isInstance = (value: unknown): value is Instance => isPart(value) && 'run' in value;

const called = (owner: object, name: string, args: readonly Value[]): Value => {
  const found: unknown = Reflect.get(owner, name);
  if (typeof found !== 'function') throw new Error(`the runtime has no ${name}`);
  return Reflect.apply(found, owner, args);
};

const numberOf = (value: Value): number => {
  if (typeof value !== 'number') throw new Error(`a number was expected, got ${typeof value}`);
  return value;
};

interface Frame {
  readonly instance: ReadonlyMap<string, Part>;
  readonly options: ReadonlyMap<string, Value>;
  readonly inputs: ReadonlyMap<string, Value>;
  readonly dims: ReadonlyMap<string, number>;
  readonly locals: Map<string, Value>;
}

const hostOperators: Readonly<Record<string, (a: number, b: number) => Value>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '**': (a, b) => a ** b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

export interface Interpreter {
  /** A block or model with the given options; each size and param of the run that it uses among them. */
  make(name: string, options: ReadonlyMap<string, Value>): Instance;
}

export const interpreterOf = (ir: Ir): Interpreter => {
  const classes = new Map(ir.modules.flatMap((module) => module.classes.map((each) => [each.name, each])));
  const consts = new Map(
    ir.modules.flatMap((module) => module.consts.map((each) => [each.name, each.value])),
  );

  const evaluate = (frame: Frame, expr: IrExpr): Value => {
    const all = (list: readonly IrExpr[]): readonly Value[] => list.map((each) => evaluate(frame, each));
    switch (expr.kind) {
      case 'literal':
        return expr.value;
      case 'items':
        return all(expr.items);
      case 'record':
        return Object.fromEntries(expr.fields.map(({ name, value }) => [name, evaluate(frame, value)]));
      case 'field': {
        const of = evaluate(frame, expr.of);
        if (typeof of !== 'object' || of === null) throw new Error(`no record with ${expr.name}`);
        return Reflect.get(of, expr.name);
      }
      case 'ref':
        return read(frame, expr.ref);
      case 'host': {
        if (expr.op === 'and') return expr.args.every((each) => evaluate(frame, each) === true);
        if (expr.op === 'or') return expr.args.some((each) => evaluate(frame, each) === true);
        const [a, b] = all(expr.args).map(numberOf);
        const operator = hostOperators[expr.op];
        if (operator === undefined || a === undefined || b === undefined) throw new Error(`host ${expr.op}`);
        return operator(a, b);
      }
      case 'hostCall':
        return hostFunction(expr.fn, all(expr.args));
      case 'choose':
        return evaluate(frame, evaluate(frame, expr.test) === true ? expr.then : expr.else);
      case 'element': {
        const list = evaluate(frame, expr.of);
        return Array.isArray(list) ? list[numberOf(evaluate(frame, expr.index))] : undefined;
      }
      case 'op': {
        const options = named(frame, expr.options);
        if (expr.draw !== null) options['draw'] = expr.draw;
        const args = [...all(expr.args), ...(Object.keys(options).length > 0 ? [options] : [])];
        return called(expr.home === 'losses' ? losses : ops, camel(expr.name), args);
      }
      case 'slice': {
        const index = expr.slices.map((slice) => sliceOf(frame, slice));
        return called(ops, 'slice', [evaluate(frame, expr.of), index]);
      }
      case 'apply': {
        const part = slotOf(frame, expr.slot);
        const inputs = all(expr.inputs);
        return isInstance(part) ? part.run(inputs)[0] : called(part, 'call', inputs);
      }
      default:
        throw new Error(`a ${expr.kind} is not interpreted`);
    }
  };

  const named = (frame: Frame, options: readonly IrNamed[]): Record<string, Value> =>
    Object.fromEntries(options.map(({ name, value }) => [camel(name), evaluate(frame, value)]));

  const sliceOf = (frame: Frame, slice: IrSlice): Value => {
    if (slice.kind === 'ellipsis') return 'ellipsis';
    if (slice.kind === 'at') return evaluate(frame, slice.at);
    if (slice.from === null && slice.to === null) return null;
    return [slice.from, slice.to].map((end) => (end === null ? null : evaluate(frame, end)));
  };

  const slotOf = (frame: Frame, slot: IrSlotRef): Part => {
    if (slot.kind === 'own') {
      const part = frame.instance.get(slot.slot);
      if (part === undefined) throw new Error(`no slot ${slot.slot}`);
      return part;
    }
    const item = frame.locals.get(slot.item);
    if (!isPart(item)) throw new Error(`no item ${slot.item}`);
    if (slot.slot === null) return item;
    const part = item[parts].children.get(slot.slot);
    if (part === undefined) throw new Error(`no slot ${slot.slot} in an item`);
    return part;
  };

  const read = (frame: Frame, ref: IrRef): Value => {
    switch (ref.kind) {
      case 'local':
      case 'index':
        return frame.locals.get(ref.name);
      case 'input':
        return frame.inputs.get(ref.name);
      case 'option':
      case 'param':
        return frame.options.get(ref.name);
      case 'dim':
        return frame.dims.get(ref.name);
      case 'const': {
        const value = consts.get(ref.name);
        return value === undefined ? undefined : evaluate(frame, value);
      }
      case 'weight': {
        const weight = slotOf(frame, ref.slot)[parts].weights.get(ref.weight);
        if (weight === undefined) throw new Error(`no weight ${ref.weight}`);
        return weight.read();
      }
      default:
        throw new Error(`a ${ref.kind} is not interpreted`);
    }
  };

  const perform = (frame: Frame, body: readonly IrStmt[]): void => {
    for (const statement of body) {
      if (statement.kind === 'let') {
        frame.locals.set(statement.name, evaluate(frame, statement.value));
        continue;
      }
      if (statement.kind === 'branch') {
        const taken = evaluate(frame, statement.test) === true ? statement.then : statement.else;
        perform(frame, taken.body);
        frame.locals.set(statement.name, evaluate(frame, taken.value));
        continue;
      }
      if (statement.kind === 'items') {
        const children = slotOf(frame, statement.slot)[parts].children;
        for (const { key, name } of statement.items) frame.locals.set(name, children.get(key));
        continue;
      }
      const slot = statement.slot === null ? null : slotOf(frame, statement.slot);
      const items = slot ? [...slot[parts].children.values()] : null;
      const count =
        items?.length ?? (statement.count === null ? 0 : numberOf(evaluate(frame, statement.count)));
      frame.locals.set(statement.name, evaluate(frame, statement.from));
      for (let turn = 0; turn < count; turn += 1) {
        if (statement.index !== null) frame.locals.set(statement.index, statement.start + turn);
        if (items) frame.locals.set(statement.item, items[turn]);
        perform(frame, statement.body);
        frame.locals.set(statement.name, evaluate(frame, statement.value));
      }
    }
  };

  const build = (frame: Frame, content: IrContent): Part => {
    switch (content.kind) {
      case 'layer': {
        const made = called(nn, camel(content.layer), [named(frame, content.options)]);
        if (!isPart(made)) throw new Error(`${content.layer} is no layer`);
        return made;
      }
      case 'block':
        return make(
          content.block,
          new Map(content.options.map(({ name, value }) => [name, evaluate(frame, value)])),
        );
      case 'repeat': {
        const count = numberOf(evaluate(frame, content.count));
        return nn.list(
          Array.from({ length: count }, (_, turn) => {
            const locals = new Map(frame.locals);
            if (content.index !== null) locals.set(content.index, turn);
            return build({ ...frame, locals }, content.item);
          }),
        );
      }
      case 'list':
        return nn.list(content.items.map((item) => build(frame, item)));
      case 'group':
        return nn.group(
          Object.fromEntries(content.slots.map((slot) => [slot.name, build(frame, slot.content)])),
        );
    }
  };

  const make = (name: string, options: ReadonlyMap<string, Value>): Instance => {
    const found = classes.get(name);
    if (found === undefined) throw new Error(`no class ${name}`);
    const all = optionsOf(found, options);
    const bare: Frame = {
      instance: new Map(),
      options: all,
      inputs: new Map(),
      dims: new Map(),
      locals: new Map(),
    };
    const children = new Map(
      found.slots.flatMap((slot): [string, Part][] =>
        slot.when === null || evaluate(bare, slot.when) === true
          ? [[slot.name, build(bare, slot.content)]]
          : [],
      ),
    );
    return {
      [parts]: { children, weights: new Map() },
      run: (given) => {
        const inputs = new Map(found.inputs.map((input, at) => [input.name, given[at]]));
        const dims = new Map(
          found.dims.map((dim) => [dim.name, shapeOf(inputs.get(dim.input))[dim.axis] ?? Number.NaN]),
        );
        const frame: Frame = { instance: children, options: all, inputs, dims, locals: new Map() };
        perform(frame, found.body);
        return [evaluate(frame, found.value), frame.locals];
      },
    };
  };

  const optionsOf = (found: IrClass, given: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> => {
    const empty: Frame = {
      instance: new Map(),
      options: given,
      inputs: new Map(),
      dims: new Map(),
      locals: new Map(),
    };
    return new Map(
      found.options.map((option) => [
        option.name,
        given.has(option.name) || option.value === null
          ? given.get(option.name)
          : evaluate(empty, option.value),
      ]),
    );
  };

  return { make };
};

const shapeOf = (value: Value): readonly number[] =>
  typeof value === 'object' && value !== null && 'shape' in value && Array.isArray(value.shape)
    ? value.shape.map(Number)
    : [];

const isTensor = (value: Value): value is Tensor =>
  typeof value === 'object' && value !== null && 'dataId' in value;

let counter = 0;

/** Result and named locals of a class on given inputs, as the engine computes them in step `at`. */
export const runClass = async (
  engine: Engine,
  ir: Ir,
  name: string,
  options: ReadonlyMap<string, Value>,
  inputs: readonly HostTensor[],
  mode: Mode = 'eval',
  at = 0,
): Promise<{
  readonly result: HostTensor;
  readonly locals: ReadonlyMap<string, HostTensor>;
  readonly weights: ReadonlyMap<string, readonly number[]>;
}> => {
  const instance = interpreterOf(ir).make(name, options);
  counter += 1;
  const root = `${name}${counter}`;
  const weights = attach(instance, root);
  const variables = weights.map(({ path, weight }) => {
    const variable = engine.variable(path, weight.initial(1, path));
    weight.bind(variable);
    return variable;
  });
  const names: string[] = [];
  const step = engine.compile(name, (tensors) => {
    const [result, locals] = withStepContext(stepContext(engine, 'test', mode, null), () =>
      instance.run(tensors),
    );
    if (!isTensor(result)) throw new Error(`${name} gave no tensor`);
    const kept = [...locals].flatMap(([local, value]) => (isTensor(value) ? [[local, value] as const] : []));
    names.splice(0, names.length, ...kept.map(([local]) => local));
    return [result, ...kept.map(([, value]) => value)];
  });
  try {
    const [result, ...others] = await step.run(inputs, { seed: 1, step: at, micro: 0, rowOffset: 0 });
    if (result === undefined) throw new Error(`${name} gave nothing`);
    return {
      result,
      locals: new Map(
        names.flatMap((local, at) => {
          const value = others[at];
          return value ? [[local, value] as const] : [];
        }),
      ),
      weights: new Map(weights.map(({ path, weight }) => [path.slice(root.length + 1), weight.shape])),
    };
  } finally {
    step.dispose();
    variables.forEach((variable) => variable.dispose());
  }
};

/** Values of a kind that every op takes: numbers around 0, small indices, truths. */
export const valuesFor = (dtype: HostTensor['dtype'], shape: readonly number[]): HostTensor => {
  const count = shape.reduce((product, size) => product * size, 1);
  const list = Array.from({ length: count }, (_, at) => at);
  if (dtype === 'f32') return { dtype, shape, values: Float32Array.from(list, (at) => Math.sin(at + 1)) };
  if (dtype === 'i32') return { dtype, shape, values: Int32Array.from(list, (at) => at % 2) };
  return { dtype, shape, values: Uint8Array.from(list, (at) => at % 2) };
};
