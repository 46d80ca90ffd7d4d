/** Data sets of a trainer: where rows come from, what a row is, what is computed on a batch. */
import type { ts } from 'ts-morph';
import type { IrData, IrExpr, IrField, IrMap, IrNamed, IrType } from '../checker/ir.js';
import { walkIr } from '../checker/ir-walk.js';
import { EmitError, type Place, inside } from './context.js';
import { declaredAs, emitExpression, emitOptions, emitSize, withOptions } from './expressions.js';
import { camel } from './names.js';
import { emitStatements } from './statements.js';
import type { Entry } from './tree.js';
import { batchType } from './types.js';
import { namesRead, unreadIn } from './unread.js';

export const emitData = (place: Place, data: IrData): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  const record: readonly Entry[] = data.declared
    ? [{ key: 'record', value: emitRecord(place, data.row) }]
    : [];
  const types = data.declared ? [batchType(unit, data.row, 'added')] : [];
  // A source of the prelude finds its files itself; an extern is given paths that the run has resolved.
  const args = emitOptions(place, data.arguments).map((entry, at) => {
    const given = data.arguments[at]?.value;
    if (data.source.kind === 'extern' && given?.type.kind === 'path')
      return { ...entry, value: tree.call(unit.export('data', 'path'), [entry.value]) };
    return given?.type.kind === 'model' ? { ...entry, value: emitModel(place, given) } : entry;
  });
  const common = emitOptions(place, data.options);
  const { kind, name, module } = data.source;
  const source =
    kind === 'extern'
      ? tree.call(
          unit.export('data', data.source.live === true ? 'live' : 'from'),
          [
            tree.member(unit.extern(module ?? ''), camel(name)),
            tree.object(args),
            tree.object([
              ...(data.declared ? record : [{ key: 'record', value: emitRecord(place, data.row) }]),
              { key: 'declared', value: declaredAs(unit, name, module ?? '') },
              ...common,
            ]),
          ],
          [batchType(unit, data.row, 'added')],
        )
      : tree.call(unit.export('data', name), withOptions(place, [], [...args, ...record, ...common]), types);
  return data.maps.reduce<ts.Expression>((of, map) => {
    const unread = unreadIn(map.body, map.fields);
    const within = inside(place, unread);
    const row = within.names.declare('row', camel(map.row));
    const readsRow = namesRead([map.body, map.fields], unread).has('row');
    const body = emitStatements(within, map.body);
    const fields = tree.object(
      map.fields.map(({ name: field, value }) => ({
        key: field,
        value: emitExpression(within, value),
        span: value.span,
      })),
      // How prettier breaks the chain depends on whether the record is broken; so it always is.
      true,
    );
    const result = body.length === 0 ? tree.factory.createParenthesizedExpression(fields) : fields;
    const f = tree.lambda(readsRow ? [tree.param(row)] : [], body, result);
    return tree.at(
      map.span,
      map.host === undefined
        ? tree.call(tree.member(of, 'map'), [f])
        : tree.call(
            tree.member(of, 'prepare'),
            [emitRecord(place, map.host), f, ...emitWords(place, map)],
            [batchType(unit, map.host, 'added')],
          ),
    );
  }, source);
};

/** `data.model('Actor', { obs: { dtype: 'f32', shape: [4] } })`: a model by its name, and what it takes of a row. */
const emitModel = (place: Place, given: IrExpr): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  const own =
    given.kind === 'literal' ? unit.ir.trainer?.models.find(({ name }) => name === given.value) : null;
  if (given.type.kind !== 'model' || !own)
    throw new EmitError('a data set has a model that the run does not have');
  const optionOf = (name: string): ts.Expression => {
    const option = own.options.find((each) => each.name === name);
    return option === undefined ? place.read.param(name) : emitExpression(place, option.value);
  };
  const inputs = given.type.inputs.map(({ name, type }) => {
    if (type.kind !== 'tensor') throw new EmitError(`a live source cannot give a model ${type.kind}`);
    return {
      key: name,
      value: tree.object([
        { key: 'dtype', value: tree.text(type.dtype) },
        {
          key: 'shape',
          value: tree.array(type.shape.slice(1).map((size) => emitSize(place, size, optionOf))),
        },
      ]),
    };
  });
  return tree.call(unit.export('data', 'model'), [tree.text(own.name), tree.object(inputs)]);
};

/** `{ words: ['words.txt'] }`: the files that a map of the host looks words up in, each once. */
const emitWords = (place: Place, { body, fields }: IrMap): readonly ts.Expression[] => {
  const { tree } = place.unit;
  const files = new Map<string, IrExpr>();
  walkIr([body, fields], (node) => {
    if (node['kind'] !== 'op' || node['name'] !== 'lookup' || !Array.isArray(node['options'])) return;
    const options: readonly IrNamed[] = node['options'];
    const file = options.find(({ name }) => name === 'file')?.value;
    if (file)
      files.set(
        JSON.stringify(file, (key, each: unknown) => (key === 'span' ? undefined : each)),
        file,
      );
  });
  if (files.size === 0) return [];
  const words = [...files.values()].map((file) => emitExpression(place, file));
  return [tree.object([{ key: 'words', value: tree.array(words) }])];
};

/** `{ x: { dtype: 'f32', shape: [4] } }`: what a source must give for one row. */
const emitRecord = (place: Place, row: readonly IrField[]): ts.Expression => {
  const { tree } = place.unit;
  const gap: readonly Entry[] = [{ key: 'missing', value: tree.literal(true) }];
  return tree.object(
    row.map(({ name, type, names, from, words, unknown }) => ({
      key: name,
      value:
        type.kind === 'missing'
          ? fieldOf(place, name, type.of, gap)
          : fieldOf(place, name, type, [
              ...(names === undefined
                ? []
                : [{ key: 'names', value: tree.array(names.map((each) => tree.text(each))) }]),
              ...(from === undefined ? [] : [{ key: 'from', value: tree.text(from) }]),
              ...(words === undefined ? [] : [{ key: 'words', value: emitExpression(place, words) }]),
              ...(unknown === undefined ? [] : [{ key: 'unknown', value: emitExpression(place, unknown) }]),
            ]),
    })),
  );
};

const fieldOf = (place: Place, name: string, type: IrType, more: readonly Entry[]): ts.Expression => {
  const { tree } = place.unit;
  if (type.kind === 'choice') {
    const choices = tree.array(type.values.map((value) => tree.text(value)));
    return field(place, name, 'i32', [], [{ key: 'choices', value: choices }, ...more]);
  }
  if (type.kind === 'tensor') return field(place, name, type.dtype, type.shape, more);
  if (type.kind === 'text') return field(place, name, type.of, type.shape, more);
  const dtypes = { int: 'i32', float: 'f32', bool: 'bool' } as const;
  if (type.kind !== 'int' && type.kind !== 'float' && type.kind !== 'bool')
    throw new EmitError(`a row cannot hold ${type.kind} (field ${JSON.stringify(name)})`);
  return field(place, name, dtypes[type.kind], [], more);
};

const field = (
  place: Place,
  name: string,
  dtype: string,
  shape: readonly string[],
  more: readonly Entry[],
): ts.Expression => {
  const { tree } = place.unit;
  const sizes = shape.map((size) => emitSize(place, size, place.read.param));
  // For `constructor` TypeScript takes the type that every object has, and so would make a string of the literal.
  return tree.object([
    {
      key: 'dtype',
      value:
        name in Object.prototype
          ? tree.factory.createAsExpression(tree.text(dtype), tree.type('const'))
          : tree.text(dtype),
    },
    { key: 'shape', value: tree.array(sizes) },
    ...more,
  ]);
};
