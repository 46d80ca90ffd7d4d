/** Types as written against types as found: what a signature binds, and what it demands. */
import type { DimExpr, Expr, TypeExpr } from '../parser/ast.js';
import {
  notWhole,
  unknownName,
  wrongDtype,
  wrongRank,
  wrongSize,
  wrongType,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import type { Related } from '../parser/diagnostic.js';
import { type Witness } from './dims/facts.js';
import { asConstant, noSize, showFraction, showSize, type Size } from './dims/size.js';
import { childScope, lookup, lookupData, type Env, type Scope } from './env.js';
import { meantType } from './foreign.js';
import { checkExpr } from './expressions.js';
import type { DType } from './ir.js';
import { aType, intType, isDType, isOne, showType, tensorType, unknownType, type Type } from './types.js';
import { value, type Value } from './value.js';
import { judgeSizes, judgeDivision } from './judging.js';

/** What a signature's names stand for, as bound by the inputs seen so far. */
export interface Bindings {
  readonly sizes: Map<string, Size>;
  readonly rests: Map<string, readonly Size[]>;
  readonly dtypes: Map<string, DType>;
}

export const noBindings = (): Bindings => ({ sizes: new Map(), rests: new Map(), dtypes: new Map() });

export const showWitness = (witness: Witness): string =>
  witness.values.map(([name, number]) => `${name} = ${number}`).join(', ');

/** Scope in which the sizes bound so far are names. */
const sizeEnv = (env: Env, bindings: Bindings): Env => {
  const inner = childScope(env);
  for (const [name, size] of bindings.sizes) {
    inner.scope.names.set(name, {
      kind: 'value',
      name,
      span: { file: 0, start: 0, end: 0 },
      what: 'size',
      value: () => sizeValue({ file: 0, start: 0, end: 0 }, name, size),
    });
  }
  return inner;
};

export const sizeValue = (span: Span, name: string, size: Size): Value =>
  value(span, intType, { kind: 'ref', ref: { kind: 'dim', name } }, { size });

/** The size that an expression gives, or null after an error was reported. A fraction must be whole. */
export const sizeOf = (env: Env, expr: Expr): Size | null =>
  sizeOfValue(env, checkExpr(env, expr), expr.span);

/** As `sizeOf`, of what an expression was found to be. */
export const sizeOfValue = (env: Env, found: Value, span: Span = found.span): Size | null => {
  if (found.type.kind === 'unknown') return null;
  if (found.ratio) {
    const { numerator, denominator } = found.ratio;
    const division = judgeDivision(env, numerator, denominator);
    if (division.whole === 'refuted') {
      const at = division.witness;
      const constant = asConstant(numerator) !== null && asConstant(denominator) !== null;
      env.checker.report(
        notWhole(
          span,
          {
            size: showFraction(numerator, denominator),
            witness:
              constant || !at ? 'it leaves a remainder' : `${showWitness(at)} gives ${at.left / at.right}`,
          },
          division.fix ? { help: `add \`where ${division.fix}\`, or \`assert ${division.fix}\`` } : {},
        ),
      );
      return null;
    }
    return division.size;
  }
  if (found.size) return found.size;
  if (found.type.kind !== 'int') {
    env.checker.report(wrongType(span, { what: 'a size', found: aType(found.type), expected: 'an int' }));
    return null;
  }
  return noSize;
};

export const bareName = (dim: DimExpr): string | null =>
  dim.kind === 'size' && dim.size.kind === 'ref' ? dim.size.name : null;

const dimSize = (env: Env, dim: Expr, bindings: Bindings): Size | null => {
  if (dim.kind === 'ref') {
    const bound = bindings.sizes.get(dim.name);
    if (bound) return bound;
  }
  return sizeOf(sizeEnv(env, bindings), dim);
};

/** The name that an axis of a tensor binds, where it is no value that is known already. */
const bindsAt = (env: Env, dim: DimExpr, bindings: Bindings): string | null => {
  const name = bareName(dim);
  if (name === null || bindings.sizes.has(name)) return null;
  const local = lookup(env.scope, name);
  return local?.kind !== 'value' || local.what === 'size' ? name : null;
};

const dimsOf = (written: TypeExpr): readonly DimExpr[] =>
  written.kind === 'namedType' ? (written.shape?.dims ?? []) : [];

/** Binds the sizes that some input gives plainly, so that those before it may name them: `x: f32[n, 6 * b], y: f32[b]`. */
export const bindPlainSizes = (
  env: Env,
  inputs: readonly { readonly written: TypeExpr; readonly found: Type }[],
  bindings: Bindings,
): void => {
  for (const { written, found } of inputs) {
    const dims = dimsOf(written);
    if (found.kind !== 'tensor' || !isTensorType(written)) continue;
    const rest = dims.findIndex((dim) => dim.kind === 'rest');
    if (rest < 0 ? dims.length !== found.shape.length : found.shape.length < dims.length - 1) continue;
    dims.forEach((dim, at) => {
      const name = bindsAt(env, dim, bindings);
      const size = found.shape[rest >= 0 && at > rest ? found.shape.length - dims.length + at : at];
      if (name !== null && size) bindings.sizes.set(name, size);
    });
  }
};

/** As `bindPlainSizes`, for inputs of which nothing but their types is known yet. */
export const freePlainSizes = (
  env: Env,
  inputs: readonly TypeExpr[],
  bindings: Bindings,
  free: (name: string) => Size,
): void => {
  for (const written of inputs) {
    if (!isTensorType(written)) continue;
    for (const dim of dimsOf(written)) {
      const name = bareName(dim);
      if (name === null || bindings.sizes.has(name) || lookup(env.scope, name)?.kind === 'value') continue;
      bindings.sizes.set(name, free(name));
    }
  }
};

export interface Mismatch {
  /** `the input \`x\`` */
  readonly what: string;
  readonly span: Span;
  readonly related?: readonly Related[];
  readonly help?: string;
}

/** Demands that two sizes are equal; reports where they can be shown not to be. */
export const demandSize = (
  env: Env,
  found: Size,
  expected: Size,
  at: Mismatch & { readonly axis?: number },
): boolean => {
  const judged = judgeSizes(env, found, expected);
  if (judged.verdict === 'proven' || judged.verdict === 'unproven') return true;
  const notes =
    judged.witness && judged.witness.values.length > 0
      ? [`with ${showWitness(judged.witness)} they are ${judged.witness.left} and ${judged.witness.right}`]
      : [];
  const help = at.help ?? (judged.fix ? `add \`where ${judged.fix}\`, if that is meant` : undefined);
  env.checker.report(
    wrongSize(
      at.span,
      {
        what: at.axis === undefined ? at.what : `axis ${at.axis} of ${at.what}`,
        found: showSize(found),
        expected: showSize(expected),
      },
      { notes, ...(at.related ? { related: at.related } : {}), ...(help ? { help } : {}) },
    ),
  );
  return false;
};

const rankHelp = (shape: readonly Size[], wanted: number | null): { readonly help?: string } => {
  const last = shape.at(-1);
  if (wanted === shape.length + 1)
    return { help: 'write `expand_dims(x, axis = -1)`, which adds an axis of 1' };
  if (wanted === shape.length - 1 && last && isOne(last))
    return { help: 'write `squeeze(x, axis = -1)`, which takes the axis of 1 away' };
  return {};
};

/** Matches a tensor's shape against a pattern with at most one `...`. Unbound bare names are bound. */
const matchShape = (
  env: Env,
  dims: readonly DimExpr[],
  shape: readonly Size[],
  bindings: Bindings,
  at: Mismatch,
  broadcast: boolean,
): boolean => {
  const rest = dims.findIndex((dim) => dim.kind === 'rest');
  const fixed = rest < 0 ? dims.length : dims.length - 1;
  if (rest < 0 ? shape.length !== fixed : shape.length < fixed) {
    env.checker.report(
      wrongRank(
        at.span,
        {
          what: at.what,
          found: `${shape.length} (${showType(tensorType('f32', shape)).slice(3)})`,
          expected: rest < 0 ? `${fixed}` : `${fixed} or more`,
        },
        { ...(at.related ? { related: at.related } : {}), ...rankHelp(shape, rest < 0 ? fixed : null) },
      ),
    );
    return false;
  }
  let fits = true;
  const one = (dim: DimExpr | undefined, size: Size | undefined, axis: number): void => {
    if (!dim || !size || dim.kind !== 'size' || !fits) return;
    const name = bindsAt(env, dim, bindings);
    if (name !== null) {
      bindings.sizes.set(name, size);
      return;
    }
    const expected = dimSize(env, dim.size, bindings);
    if (!expected) {
      fits = false;
      return;
    }
    if (broadcast && isOne(size)) return;
    if (!demandSize(env, size, expected, { ...at, axis })) fits = false;
  };
  const before = rest < 0 ? dims.length : rest;
  for (let axis = 0; axis < before; axis += 1) one(dims[axis], shape[axis], axis);
  if (rest < 0) return fits;
  const after = dims.length - rest - 1;
  const middle = shape.slice(rest, shape.length - after);
  const dim = dims[rest];
  if (dim?.kind === 'rest' && dim.name) {
    const known = bindings.rests.get(dim.name.text);
    if (!known) bindings.rests.set(dim.name.text, middle);
    else if (known.length !== middle.length) {
      const wanted = shape.length - middle.length + known.length;
      env.checker.report(
        wrongRank(
          at.span,
          { what: at.what, found: `${shape.length}`, expected: `${wanted}` },
          rankHelp(shape, wanted),
        ),
      );
      fits = false;
    } else {
      known.forEach((size, index) => {
        const found = middle[index];
        if (found && !demandSize(env, found, size, { ...at, axis: rest + index })) fits = false;
      });
    }
  }
  for (let index = 0; index < after; index += 1) {
    const axis = shape.length - after + index;
    one(dims[rest + 1 + index], shape[axis], axis);
  }
  return fits;
};

/** Whether a written type is that of a tensor: an element type (or a name that stands for one) with a shape. */
export const isTensorType = (type: TypeExpr): boolean =>
  type.kind === 'namedType'
    ? type.name.text === 'tensor' ||
      type.name.text === 'tensors' ||
      type.name.text === 'text' ||
      (isDType(type.name.text) && (type.name.text !== 'bool' || type.shape !== null)) ||
      (type.shape !== null && type.name.text.length === 1)
    : type.kind === 'unionType' && type.members.some(isTensorType);

/** Whether a type is the name of a data set: a batch of it, or another record with the fields that are read. */
export const isBatchType = (scope: Scope, type: TypeExpr): boolean => {
  const binding = type.kind === 'namedType' && !type.shape ? lookupData(scope, type.name.text) : null;
  return binding?.kind === 'decl' && binding.decl.kind === 'data';
};

/** Matches a value's type against a written tensor or record type. Reports and returns false where it does not fit. */
export const matchType = (
  env: Env,
  written: TypeExpr,
  found: Type,
  bindings: Bindings,
  at: Mismatch,
): boolean => {
  if (found.kind === 'unknown') return true;
  if (written.kind === 'recordType') {
    if (found.kind !== 'record') {
      env.checker.report(wrongType(at.span, { what: at.what, found: aType(found), expected: 'a record' }));
      return false;
    }
    return written.fields.every((field) => {
      const own = found.fields.find((each) => each.name === field.name.text);
      if (own)
        return matchType(env, field.type, own.type, bindings, {
          ...at,
          what: `\`${field.name.text}\` of ${at.what}`,
        });
      env.checker.report(
        wrongType(at.span, {
          what: at.what,
          found: aType(found),
          expected: `a record with \`${field.name.text}\``,
        }),
      );
      return false;
    });
  }
  if (written.kind === 'unionType') {
    // `none` says nothing of a value that is there.
    const isNone = (member: TypeExpr): boolean => member.kind === 'namedType' && member.name.text === 'none';
    const members =
      found.kind === 'none' ? written.members : written.members.filter((member) => !isNone(member));
    const fits = members.find((member) => {
      const { result, diagnostics } = env.checker.capture(() =>
        matchType(
          env,
          member,
          found,
          {
            sizes: new Map(bindings.sizes),
            rests: new Map(bindings.rests),
            dtypes: new Map(bindings.dtypes),
          },
          at,
        ),
      );
      return result && diagnostics.length === 0;
    });
    if (fits) return matchType(env, fits, found, bindings, at);
    const [first] = members;
    return first ? matchType(env, first, found, bindings, at) : false;
  }
  if (written.kind !== 'namedType') return true;
  const name = written.name.text;
  if (name === 'tensor') {
    if (found.kind === 'tensor') return true;
    env.checker.report(wrongType(at.span, { what: at.what, found: aType(found), expected: 'a tensor' }));
    return false;
  }
  const dtype = isDType(name) ? name : name.length === 1 ? (bindings.dtypes.get(name) ?? null) : null;
  const variable = name.length === 1 && !isDType(name);
  if (dtype === null && !variable) return true;
  if (found.kind !== 'tensor') {
    // A number of the host is as good as a tensor without axes.
    if (
      (found.kind === 'int' || found.kind === 'float' || (found.kind === 'bool' && name === 'bool')) &&
      (written.shape === null || written.shape.dims.length === 0)
    )
      return true;
    env.checker.report(
      wrongType(
        at.span,
        { what: at.what, found: aType(found), expected: `a tensor ${name}${shapeText(written)}` },
        found.kind === 'record'
          ? {
              help: `take one of its fields: ${found.fields.map((field) => `\`.${field.name}\``).join(', ')}`,
            }
          : {},
      ),
    );
    return false;
  }
  if (variable && !bindings.dtypes.has(name)) bindings.dtypes.set(name, found.dtype);
  else if (dtype !== null && found.dtype !== dtype) {
    const cast = found.dtype === 'u8' && dtype === 'f32' ? 'cast(x, f32) / 255' : `cast(x, ${dtype})`;
    // Bytes are what a file holds; values that are more already are not made bytes again.
    const help =
      dtype === 'u8'
        ? `declare it as ${found.dtype}, if that is what arrives`
        : `write \`${cast}\`, if that is meant`;
    env.checker.report(
      wrongDtype(at.span, { what: at.what, found: found.dtype, expected: dtype }, { help: at.help ?? help }),
    );
    return false;
  }
  return matchShape(env, written.shape?.dims ?? [], found.shape, bindings, at, false);
};

const shapeText = (written: TypeExpr): string =>
  written.kind === 'namedType' && written.shape ? `[${written.shape.dims.map(() => '·').join(', ')}]` : '';

/** The type that a written one stands for, once its names are bound. Unbound bare names become symbols of themselves. */
export const resolveType = (
  env: Env,
  written: TypeExpr,
  bindings: Bindings,
  free: ((name: string) => Size) | null = null,
): Type => {
  switch (written.kind) {
    case 'recordType':
      return {
        kind: 'record',
        fields: written.fields.map((field) => ({
          name: field.name.text,
          type: resolveType(env, field.type, bindings, free),
        })),
      };
    case 'literalType':
      return { kind: 'string', choices: [written.value] };
    case 'unionType': {
      const choices = written.members.flatMap((member) =>
        member.kind === 'literalType' ? [member.value] : [],
      );
      if (choices.length > 0 && choices.length === written.members.length) return { kind: 'string', choices };
      const first = written.members.find(
        (member) => member.kind !== 'namedType' || member.name.text !== 'none',
      );
      return first ? resolveType(env, first, bindings, free) : unknownType;
    }
    case 'namedType': {
      const name = written.name.text;
      if (name === 'int' || name === 'float' || name === 'bool' || name === 'string') {
        if (name === 'bool' && written.shape) break;
        if (!written.shape) return { kind: name };
        const [dim] = written.shape.dims;
        const length = dim?.kind === 'size' ? dimSize(env, dim.size, bindings) : null;
        return { kind: 'list', of: { kind: name }, length: length ? asConstant(length) : null };
      }
      if (name === 'path' || name === 'initializer' || name === 'secret') return { kind: 'string' };
      if (name === 'dtype') return { kind: 'dtype' };
      if (name === 'schedule') return { kind: 'schedule' };
      break;
    }
  }
  if (written.kind !== 'namedType') return unknownType;
  const name = written.name.text;
  const dtype = isDType(name) ? name : (bindings.dtypes.get(name) ?? null);
  if (dtype === null) {
    const known = ['int', 'float', 'bool', 'string', 'path', 'f32', 'i32', 'u8', 'schedule'];
    const near = [meantType(name, written.shape !== null) ?? nearest(name, known, 1)[0]];
    env.checker.report(
      unknownName(
        written.name.span,
        { kind: 'type', name },
        {
          help: near[0]
            ? `write \`${near[0]}\``
            : `types are ${known.join(', ')}, tensors like f32[n, 10], and records`,
        },
      ),
    );
    return unknownType;
  }
  const shape: Size[] = [];
  for (const dim of written.shape?.dims ?? []) {
    if (dim.kind === 'rest') {
      if (dim.name) shape.push(...(bindings.rests.get(dim.name.text) ?? []));
      continue;
    }
    const bare = bareName(dim);
    if (bare !== null && free && !bindings.sizes.has(bare) && lookup(env.scope, bare)?.kind !== 'value') {
      const made = free(bare);
      bindings.sizes.set(bare, made);
      shape.push(made);
      continue;
    }
    const size = dimSize(env, dim.size, bindings);
    if (!size) return unknownType;
    if ((asConstant(size) ?? 0) < 0) {
      env.checker.report(
        wrongType(
          dim.size.span,
          { what: 'a size', found: showSize(size), expected: '0 or more' },
          { help: 'a name stands for any size: `f32[n, 4]`' },
        ),
      );
      return unknownType;
    }
    shape.push(size);
  }
  return tensorType(dtype, shape);
};
