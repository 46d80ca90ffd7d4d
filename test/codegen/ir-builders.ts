/** Short ways to write an IR by hand. Every node gets a span of its own in the file that `spansOf` was made for. */
import type {
  DType,
  Ir,
  IrClass,
  IrContent,
  IrData,
  IrExpr,
  IrExprKind,
  IrModule,
  IrNamed,
  IrParam,
  IrReduction,
  IrSlot,
  IrSlotRef,
  IrStep,
  IrStmt,
  IrTrainer,
  IrType,
} from '../../src/checker/ir.js';
import type { Span } from '../../src/parser/source.js';

export const int: IrType = { kind: 'int' };
export const float: IrType = { kind: 'float' };
export const string: IrType = { kind: 'string' };
export const bool: IrType = { kind: 'bool' };
export const setting: IrType = { kind: 'setting' };
export const tensor = (dtype: DType, ...shape: readonly string[]): IrType => ({
  kind: 'tensor',
  dtype,
  shape,
});
export const f32 = (...shape: readonly string[]): IrType => tensor('f32', ...shape);

let offset = 0;
/** Spans go up by one, so that each node can be told apart in a source map. */
export const here = (): Span => {
  offset += 1;
  return { file: 0, start: offset % 40, end: (offset % 40) + 1 };
};

export const expr = (type: IrType, kind: IrExprKind): IrExpr => ({ span: here(), type, ...kind });
export const lit = (value: number | string | boolean | null): IrExpr =>
  expr(
    typeof value === 'string'
      ? string
      : typeof value === 'boolean'
        ? bool
        : Number.isInteger(value)
          ? int
          : float,
    { kind: 'literal', value },
  );
export const items = (...list: readonly IrExpr[]): IrExpr =>
  expr({ kind: 'list', of: list[0]?.type ?? int }, { kind: 'items', items: list });
export const param = (name: string, type: IrType = int): IrExpr =>
  expr(type, { kind: 'ref', ref: { kind: 'param', name } });
export const option = (name: string): IrExpr => expr(int, { kind: 'ref', ref: { kind: 'option', name } });
export const dim = (name: string): IrExpr => expr(int, { kind: 'ref', ref: { kind: 'dim', name } });
export const constant = (name: string): IrExpr => expr(int, { kind: 'ref', ref: { kind: 'const', name } });
export const local = (name: string, type: IrType): IrExpr =>
  expr(type, { kind: 'ref', ref: { kind: 'local', name } });
export const input = (name: string, type: IrType): IrExpr =>
  expr(type, { kind: 'ref', ref: { kind: 'input', name } });
export const batchField = (batch: string, name: string, type: IrType): IrExpr =>
  expr(type, {
    kind: 'field',
    of: expr({ kind: 'record', fields: [] }, { kind: 'ref', ref: { kind: 'batch', name: batch } }),
    name,
  });
export const rowField = (name: string, type: IrType): IrExpr =>
  expr(type, {
    kind: 'field',
    of: expr({ kind: 'record', fields: [] }, { kind: 'ref', ref: { kind: 'row' } }),
    name,
  });
export const host = (op: string, ...args: readonly IrExpr[]): IrExpr =>
  expr(float, { kind: 'host', op, args });
export const quantity = (value: number, unit: 'steps' | 'epochs' = 'steps'): IrExpr =>
  expr({ kind: 'unit', unit }, { kind: 'quantity', unit, value: lit(value) });

export const named = (options: Readonly<Record<string, IrExpr>>): readonly IrNamed[] =>
  Object.entries(options).map(([name, value]) => ({ name, value }));

export interface OpDetails {
  readonly home?: string;
  readonly options?: Readonly<Record<string, IrExpr>>;
  readonly draw?: string;
  readonly free?: boolean;
}
export const op = (name: string, type: IrType, args: readonly IrExpr[], details: OpDetails = {}): IrExpr =>
  expr(type, {
    kind: 'op',
    home: details.home ?? 'ops',
    name,
    args,
    options: named(details.options ?? {}),
    draw: details.draw ?? null,
    free: details.free ?? false,
  });

export const own = (
  slot: string,
  more: { readonly free?: boolean; readonly conditional?: boolean } = {},
): IrSlotRef => ({
  kind: 'own',
  slot,
  conditional: more.conditional ?? false,
  free: more.free ?? false,
});
export const apply = (slot: IrSlotRef, type: IrType, ...inputs: readonly IrExpr[]): IrExpr =>
  expr(type, { kind: 'apply', slot, inputs });
export const model = (
  name: string,
  type: IrType,
  inputs: readonly IrExpr[],
  label: string | null = null,
): IrExpr => expr(type, { kind: 'model', model: name, inputs, label });

export const layer = (name: string, options: Readonly<Record<string, IrExpr>>, free = false): IrContent => ({
  kind: 'layer',
  layer: name,
  options: named(options),
  weights: [],
  free,
});
export const block = (name: string, options: Readonly<Record<string, IrExpr>>): IrContent => ({
  kind: 'block',
  block: name,
  options: named(options),
});
export const slot = (name: string, content: IrContent, when: IrExpr | null = null): IrSlot => ({
  span: here(),
  doc: null,
  name,
  named: true,
  when,
  content,
});
export const bind = (name: string, value: IrExpr): IrStmt => ({ kind: 'let', span: here(), name, value });

export const classOf = (
  name: string,
  more: Partial<IrClass> & Pick<IrClass, 'inputs' | 'result' | 'value'>,
): IrClass => ({
  span: here(),
  doc: null,
  name,
  role: 'block',
  options: [],
  dims: [],
  slots: [],
  body: [],
  random: false,
  ...more,
});

export const mean = (values: IrExpr, weight: IrExpr | null = null): IrReduction => ({
  span: here(),
  kind: 'mean',
  values,
  weight,
});

export const paramOf = (
  name: string,
  type: IrType,
  value: IrExpr | null,
  more: Partial<IrParam> = {},
): IrParam => ({
  span: here(),
  doc: null,
  name,
  type,
  value,
  where: null,
  ...more,
});

export const dataOf = (
  name: string,
  more: Partial<IrData> & Pick<IrData, 'source' | 'row' | 'batch'>,
): IrData => ({
  span: here(),
  doc: null,
  name,
  arguments: [],
  options: [],
  declared: false,
  maps: [],
  ...more,
});
export const prelude = (name: string): IrData['source'] => ({ kind: 'prelude', name, module: null });

export const stepOf = (
  stage: IrStep['stage'],
  data: string,
  body: IrStep['body'],
  more: Partial<IrStep> = {},
): IrStep => ({
  span: here(),
  doc: null,
  stage,
  name: stage,
  inputs: [{ span: here(), name: 'batch', data }],
  every: null,
  body,
  metrics: [],
  ...more,
});

export const trainerOf = (name: string, more: Partial<IrTrainer>): IrTrainer => ({
  span: here(),
  doc: null,
  name,
  params: [],
  asserts: [],
  options: [],
  data: [],
  models: [],
  schedules: [],
  optimizers: [],
  steps: [],
  addons: [],
  ...more,
});

export const moduleOf = (name: string, more: Partial<IrModule> = {}): IrModule => ({
  name,
  path: `${name}.ztrain`,
  text: `// ${name}\n// a line\n// another line\n// the end\n`,
  doc: null,
  imports: [],
  externs: [],
  consts: [],
  classes: [],
  ...more,
});

export const irOf = (modules: readonly IrModule[], trainer: IrTrainer | null): Ir => ({
  language: 1,
  modules,
  trainer,
});
