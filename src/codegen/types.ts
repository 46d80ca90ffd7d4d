/** Types of the IR as TypeScript. After this: the rank of a tensor is in its type, its sizes are comments. */
import type { ts } from 'ts-morph';
import type { IrField, IrType } from '../checker/ir.js';
import { EmitError, type RuntimeType, type Unit } from './context.js';

const BY_RANK: readonly RuntimeType[] = [
  'Scalar',
  'Tensor1D',
  'Tensor2D',
  'Tensor3D',
  'Tensor4D',
  'Tensor5D',
  'Tensor6D',
];

/** The number of axes, or null where a spread (`...s`) leaves it open. */
export const rankOf = (shape: readonly string[]): number | null =>
  shape.some((size) => size.startsWith('...')) ? null : shape.length;

export const tensorType = (unit: Unit, shape: readonly string[]): ts.TypeNode =>
  unit.type(BY_RANK[rankOf(shape) ?? BY_RANK.length] ?? 'Tensor');

export const typeNode = (unit: Unit, type: IrType): ts.TypeNode => {
  const { tree } = unit;
  switch (type.kind) {
    case 'int':
    case 'float':
      return tree.keyword('number');
    case 'bool':
      return tree.keyword('boolean');
    case 'string':
    case 'path':
      return tree.keyword('string');
    case 'none':
      return tree.literalType(null);
    case 'dtype':
      return tree.factory.createUnionTypeNode(
        ['f32', 'i32', 'u8', 'bool'].map((name) => tree.literalType(name)),
      );
    case 'tensor':
      return tensorType(unit, type.shape);
    case 'text':
      return unit.exportType('data', 'RowText');
    case 'missing':
      return gapType(unit, typeNode(unit, type.of));
    case 'tensors':
      return tree.listType(unit.type('Tensor'));
    case 'list':
      return tree.listType(typeNode(unit, type.of));
    case 'record':
      return recordType(unit, type.fields);
    case 'choice':
      return tree.factory.createUnionTypeNode(type.values.map((value) => tree.literalType(value)));
    case 'unit':
      return unit.exportType('units', 'Quantity', [
        tree.literalType(type.unit === 'seconds' ? 'time' : type.unit),
      ]);
    case 'monitor':
    case 'metric':
    case 'secret':
      return unit.exportType('addons', { monitor: 'Monitor', metric: 'Metric', secret: 'Secret' }[type.kind]);
    case 'model':
      return unit.exportType('data', 'ModelFunction', [
        hostArrays(unit, type.inputs),
        type.result.kind === 'record' ? hostArrays(unit, type.result.fields) : hostArray(unit, type.result),
      ]);
    case 'setting':
      throw new EmitError('a monitor, clip or schedule has no type of its own in emitted code');
  }
};

/** A tensor's values on the host. */
const hostArray = (unit: Unit, type: IrType): ts.TypeNode =>
  unit.tree.type(
    type.kind !== 'tensor' || type.dtype === 'f32'
      ? 'Float32Array'
      : type.dtype === 'i32'
        ? 'Int32Array'
        : 'Uint8Array',
  );

const hostArrays = (unit: Unit, fields: readonly IrField[]): ts.TypeNode =>
  unit.tree.recordType(fields.map(({ name, type }) => ({ key: name, type: hostArray(unit, type) })));

export const recordType = (unit: Unit, fields: readonly IrField[]): ts.TypeNode =>
  unit.tree.recordType(fields.map(({ name, type }) => ({ key: name, type: typeNode(unit, type) })));

/** A value of which some may be missing, beside its mask. */
const gapType = (unit: Unit, of: ts.TypeNode): ts.TypeNode => unit.exportType('data', 'OrMissing', [of]);

/** A batch of rows: each field is a tensor, or stands for texts, with the rows in front where `rows` says that they are not yet there. */
export const batchType = (unit: Unit, fields: readonly IrField[], rows: 'given' | 'added'): ts.TypeNode =>
  unit.tree.recordType(
    fields.map(({ name, type }) => {
      if (type.kind === 'text') return { key: name, type: unit.exportType('data', 'Texts') };
      const own = type.kind === 'missing' ? type.of : type;
      const shape = own.kind === 'tensor' ? own.shape : rows === 'given' ? ['n'] : [];
      const of = tensorType(unit, rows === 'added' ? ['n', ...shape] : shape);
      return { key: name, type: type.kind === 'missing' ? gapType(unit, of) : of };
    }),
  );

/** `f32[n, 28]`, `string[n]` */
export const tensorText = (type: IrType): string | null =>
  type.kind === 'tensor'
    ? `${type.dtype}[${type.shape.join(', ')}]`
    : type.kind === 'text'
      ? `${type.of}[${type.shape.join(', ')}]`
      : null;
