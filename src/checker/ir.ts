/**
 * The checked program, resolved. After the checker: every name is bound, every `fn` inlined, every expression typed,
 * every reduction over rows told apart from ordinary arithmetic; in the spec's order and with its names. There is no
 * TypeScript in it, and every record can be written as JSON (`show --ir` prints exactly this).
 */
import type { Span } from '../parser/source.js';
import type { Amends } from '../values/amends.js';
import type { Phase } from '../values/phases.js';
import type { IrExtern, IrExternLayer } from './ir-externs.js';
import type { IrModel, IrOptimizer, IrSlotRef } from './ir-models.js';
import type { IrJoined, IrReduction } from './ir-reductions.js';

export type { IrExtern, IrExternItem, IrExternLayer } from './ir-externs.js';
export type { IrJoined, IrReduction } from './ir-reductions.js';
export type { IrCopy, IrGroup, IrMatching, IrModel, IrOptimizer, IrPattern, IrSlotRef } from './ir-models.js';

export interface Ir {
  readonly language: 1;
  /** Files that hold blocks, models or consts; what is imported comes first, the spec itself is the last. */
  readonly modules: readonly IrModule[];
  /** Null for a library: a file of blocks, models and consts alone. */
  readonly trainer: IrTrainer | null;
}

export interface IrModule {
  /** The file's name without `.ztrain`. */
  readonly name: string;
  /** Relative to the folder of the main spec, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly doc: string | null;
  readonly imports: readonly { readonly module: string; readonly names: readonly string[] }[];
  readonly externs: readonly IrExtern[];
  readonly consts: readonly IrConst[];
  readonly classes: readonly IrClass[];
}

export interface IrConst {
  readonly span: Span;
  readonly doc: string | null;
  readonly name: string;
  readonly type: IrType;
  readonly value: IrExpr;
}

export type DType = 'f32' | 'i32' | 'u8' | 'bool';

export type IrType =
  | { readonly kind: 'int' | 'float' | 'bool' | 'string' | 'path' | 'none' | 'dtype' }
  /** Sizes as a reader writes them: `["n", "28", "2 * h"]`. */
  | { readonly kind: 'tensor'; readonly dtype: DType; readonly shape: readonly string[] }
  /** Texts of a row, or of a batch's rows, which the host alone has. */
  | { readonly kind: 'text'; readonly of: 'string' | 'path'; readonly shape: readonly string[] }
  | { readonly kind: 'list'; readonly of: IrType }
  /** A record of `value` and of `missing`, a bool tensor of the same shape. */
  | { readonly kind: 'missing'; readonly of: IrType }
  | { readonly kind: 'record'; readonly fields: readonly IrField[] }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'unit'; readonly unit: Unit }
  | { readonly kind: 'tensors' }
  /** A model that a live source calls: inputs with the rows in front, and what it gives. */
  | { readonly kind: 'model'; readonly inputs: readonly IrField[]; readonly result: IrType }
  /** Options of an add-on in TypeScript. */
  | { readonly kind: 'monitor' | 'metric' | 'secret' }
  /** Of attributes only: monitors, clips, schedules. */
  | { readonly kind: 'setting' };

export interface IrField {
  readonly name: string;
  readonly type: IrType;
  /** Of a source's row: the names of sizes that differ from row to row, in their order. */
  readonly names?: readonly string[];
  /** Of a row that the host gives: the class that it hands on as it is, by its field of the row before. */
  readonly from?: string;
  /** Of such a row: the file whose words a number stands for. */
  readonly words?: IrExpr;
  /** Of such a row: the number of words that are not there, where it is given. */
  readonly unknown?: IrExpr;
}

export type Unit = 'steps' | 'epochs' | 'batches' | 'samples' | 'percent' | 'seconds' | 'bytes';

// ---- blocks and models

export interface IrClass {
  readonly span: Span;
  readonly doc: string | null;
  readonly name: string;
  readonly role: 'block' | 'model';
  /** Parameters as declared, then sizes of inputs that weights depend on, then params of the run that it uses. */
  readonly options: readonly IrOption[];
  readonly inputs: readonly IrField[];
  readonly result: IrType;
  /** Names of sizes that `forward` uses, and where each is read. */
  readonly dims: readonly IrDim[];
  readonly slots: readonly IrSlot[];
  readonly body: readonly IrStmt[];
  readonly value: IrExpr;
  /** Draws random numbers, itself or in a part: a second call in one step needs a label. */
  readonly random: boolean;
}

export interface IrOption {
  readonly name: string;
  readonly doc: string | null;
  readonly origin: 'declared' | 'size' | 'param';
  readonly type: IrType;
  readonly value: IrExpr | null;
}

export interface IrDim {
  readonly name: string;
  readonly input: string;
  readonly axis: number;
}

/** A named place for weights in a block or model: `|> dense(10) as head`, `layer e = …`. */
export interface IrSlot {
  readonly span: Span;
  readonly doc: string | null;
  /** Part of the checkpoint key, as the spec has it. */
  readonly name: string;
  /** False where the name was made up because the spec gave none. */
  readonly named: boolean;
  /** The weights exist only where this holds: a branch of an `if` over what is known at the start. */
  readonly when: IrExpr | null;
  readonly content: IrContent;
  /** The class is this alone: its weights have their names without the slot's before them. */
  readonly whole?: true;
}

export type IrContent =
  | {
      readonly kind: 'layer';
      /** A layer of the prelude. */
      readonly layer: string;
      /** Its arguments, and the sizes of its input that weights depend on (`inputs`). */
      readonly options: readonly IrNamed[];
      readonly weights: readonly IrWeight[];
      /** `call` needs the rank of its result spelled out (embedding). */
      readonly free: boolean;
      /** Where it is written in TypeScript. */
      readonly extern?: IrExternLayer;
    }
  | {
      readonly kind: 'block';
      readonly block: string;
      readonly options: readonly IrNamed[];
    }
  /** Alike, `count` times (a count that a param may set). */
  | {
      readonly kind: 'repeat';
      readonly count: IrExpr;
      readonly index: string | null;
      readonly item: IrContent;
    }
  /** Unrolled: shapes may differ from turn to turn. */
  | { readonly kind: 'list'; readonly items: readonly IrContent[] }
  | { readonly kind: 'group'; readonly slots: readonly IrSlot[] };

export interface IrWeight {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly string[];
  readonly trainable: boolean;
}

export interface IrNamed {
  readonly name: string;
  readonly value: IrExpr;
}

/** Statements of a `forward`, a step or a closure. Locals have names that are unique in their class or step. */
export type IrStmt =
  | { readonly kind: 'let'; readonly span: Span; readonly name: string; readonly value: IrExpr }
  | IrFold
  /** An `if` whose branches are more than an expression: only what is taken is computed. */
  | {
      readonly kind: 'branch';
      readonly span: Span;
      readonly name: string;
      readonly test: IrExpr;
      readonly then: { readonly body: readonly IrStmt[]; readonly value: IrExpr };
      readonly else: { readonly body: readonly IrStmt[]; readonly value: IrExpr };
      readonly type: IrType;
    }
  /** Turns of a `repeat` that are code of their own: parts of its group as locals, by their keys. */
  | {
      readonly kind: 'items';
      readonly span: Span;
      readonly slot: IrSlotRef;
      readonly items: readonly { readonly key: string; readonly name: string }[];
    };

/** `x |> repeat … { … }`: `name` starts as `from` and becomes `body` once a turn. */
export interface IrFold {
  readonly kind: 'fold';
  readonly span: Span;
  readonly name: string;
  readonly from: IrExpr;
  /** The slot whose items are gone through, or null where no turn has weights. */
  readonly slot: IrSlotRef | null;
  /** How many turns, where there is no slot. */
  readonly count: IrExpr | null;
  /** The number of the turn, from 0 (or the range's start), where the body uses it. */
  readonly index: string | null;
  readonly start: number;
  /** Local name of the turn's module. */
  readonly item: string;
  readonly body: readonly IrStmt[];
  readonly value: IrExpr;
}

// ---- expressions

export type IrExpr = { readonly span: Span; readonly type: IrType } & IrExprKind;

export type IrExprKind =
  | { readonly kind: 'literal'; readonly value: number | string | boolean | null }
  | { readonly kind: 'items'; readonly items: readonly IrExpr[] }
  | { readonly kind: 'record'; readonly fields: readonly IrNamed[] }
  | { readonly kind: 'field'; readonly of: IrExpr; readonly name: string }
  | { readonly kind: 'ref'; readonly ref: IrRef }
  /** Arithmetic, comparison and logic on host values: `+ - * / % ** == != < <= > >= and or`. */
  | { readonly kind: 'host'; readonly op: string; readonly args: readonly IrExpr[] }
  /** `floor ceil min max sqrt exp log abs …` and `neg`, `not` on host values. */
  | { readonly kind: 'hostCall'; readonly fn: string; readonly args: readonly IrExpr[] }
  /** `if … then … else …` over what is known at the start. */
  | { readonly kind: 'choose'; readonly test: IrExpr; readonly then: IrExpr; readonly else: IrExpr }
  /** In a step: what is asked of `run.step` or `run.epoch`, by a name that is stable. */
  | { readonly kind: 'decide'; readonly label: string; readonly test: IrExpr }
  /** One element of a host list. */
  | { readonly kind: 'element'; readonly of: IrExpr; readonly index: IrExpr }
  | {
      readonly kind: 'op';
      /** Namespace of the runtime, or `extern:./file.ts`. */
      readonly home: string;
      /** As in the prelude (snake case); operators are `add sub mul div mod pow matmul equal less …`. */
      readonly name: string;
      /** Tensors, or host numbers where a tensor may be a number. */
      readonly args: readonly IrExpr[];
      readonly options: readonly IrNamed[];
      /** Name of the place of a random draw; null where nothing is drawn. */
      readonly draw: string | null;
      /** The type parameter for the result must be spelled out. */
      readonly free: boolean;
    }
  /** `home` where it is a part of a finished total, on the host. */
  | {
      readonly kind: 'slice';
      readonly of: IrExpr;
      readonly slices: readonly IrSlice[];
      readonly home?: 'arrays';
    }
  /** A layer or block of this class (or of the turn's item) applied. */
  | { readonly kind: 'apply'; readonly slot: IrSlotRef; readonly inputs: readonly IrExpr[] }
  | {
      readonly kind: 'model';
      readonly model: string;
      readonly inputs: readonly IrExpr[];
      readonly label: string | null;
    }
  /** Rows of the batch at hand: a host number that is fixed in one trace. */
  | { readonly kind: 'batchSize'; readonly batch: string }
  | { readonly kind: 'quantity'; readonly unit: Unit; readonly value: IrExpr }
  | { readonly kind: 'rest' }
  /** `mode` is null for a metric that is only named. */
  | { readonly kind: 'monitor'; readonly mode: 'min' | 'max' | null; readonly metric: string }
  | { readonly kind: 'clip'; readonly how: 'norm' | 'value'; readonly most: IrExpr }
  /** `after(5.epochs, first = 1.epoch)`, of `freeze`. */
  | { readonly kind: 'freezeAfter'; readonly from: IrExpr; readonly first: IrExpr | null }
  | { readonly kind: 'env'; readonly variable: string }
  /** `axis(lr, [1e-4, 1e-3])`, of a sweep: literals and quantities. Its span is the name's. */
  | { readonly kind: 'axis'; readonly name: string; readonly values: readonly IrExpr[] }
  /** `folds(5)`, of `parts`. */
  | { readonly kind: 'folds'; readonly count: IrExpr }
  /** `only(fold)`, `all_but(fold)`, of `part`. */
  | { readonly kind: 'part'; readonly how: 'only' | 'all_but'; readonly fold: IrExpr }
  /** A value made when an add-on asks for it, of the first rows of data sets where it reads some. */
  | {
      readonly kind: 'thunk';
      readonly reads?: readonly IrFirstRows[];
      readonly body: readonly IrStmt[];
      readonly value: IrExpr;
    };

/** `first(val_set, 16)`: a batch under a name. */
export interface IrFirstRows {
  readonly span: Span;
  readonly name: string;
  readonly data: string;
  readonly count: IrExpr;
}

export type IrSlice =
  | { readonly kind: 'ellipsis' }
  | { readonly kind: 'range'; readonly from: IrExpr | null; readonly to: IrExpr | null }
  | { readonly kind: 'at'; readonly at: IrExpr };

export type IrRef =
  | { readonly kind: 'local'; readonly name: string }
  | { readonly kind: 'input'; readonly name: string }
  /** `batch` of a step: a record of tensors. */
  | { readonly kind: 'batch'; readonly name: string }
  | { readonly kind: 'row' }
  /** The first rows of a data set, in a thunk. */
  | { readonly kind: 'first'; readonly name: string }
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'const'; readonly name: string }
  /** A parameter of the block or model. */
  | { readonly kind: 'option'; readonly name: string }
  /** A size bound by an input's shape. */
  | { readonly kind: 'dim'; readonly name: string }
  /** The number of a turn (`repeat i in …`, `for i in …`). */
  | { readonly kind: 'index'; readonly name: string }
  | { readonly kind: 'weight'; readonly slot: IrSlotRef; readonly weight: string; readonly extern?: true }
  /** In a step: a scalar tensor. In an attribute: a host number of the clock. */
  | { readonly kind: 'schedule'; readonly name: string }
  /** `run.step`, `run.epoch`: host numbers, only in a `decide` and in the test of an `if`. */
  | { readonly kind: 'run'; readonly name: 'step' | 'epoch' }
  /** A figure of a measure step: a tensor, in steps and maps. */
  | { readonly kind: 'measured'; readonly step: string; readonly name: string }
  /** A part of a `derive`: a finished number. */
  | { readonly kind: 'part'; readonly name: string };

// ---- the run

export interface IrTrainer {
  readonly span: Span;
  readonly doc: string | null;
  /** `FashionTrainer` */
  readonly name: string;
  readonly params: readonly IrParam[];
  readonly asserts: readonly {
    readonly span: Span;
    readonly test: IrExpr;
    readonly text: string;
    readonly message: string | null;
  }[];
  readonly options: readonly IrNamed[];
  readonly data: readonly IrData[];
  /** Data sets and optimizers that amend others; not there where none does. */
  readonly amends?: Amends;
  /** Models in use, in the spec's order; each is one instance of its class. */
  readonly models: readonly IrModel[];
  readonly schedules: readonly IrSchedule[];
  readonly optimizers: readonly IrOptimizer[];
  readonly steps: readonly IrStep[];
  readonly addons: readonly IrAddon[];
}

export interface IrParam {
  readonly span: Span;
  readonly doc: string | null;
  readonly name: string;
  readonly type: IrType;
  readonly value: IrExpr | null;
  /** The condition and its text as written. */
  readonly where: { readonly test: IrExpr; readonly text: string } | null;
}

export interface IrData {
  readonly span: Span;
  readonly doc: string | null;
  readonly name: string;
  /** A source of the prelude, or a data source of an extern. Amended sets are written out whole. */
  readonly source: {
    readonly kind: 'prelude' | 'extern';
    readonly name: string;
    readonly module: string | null;
    /** Its rows are made when a step asks for them. */
    readonly live?: true;
  };
  /** Arguments of the source. */
  readonly arguments: readonly IrNamed[];
  /** `batch`, `shuffle`, … */
  readonly options: readonly IrNamed[];
  /** One row as the source gives it. Declared (`-> { … }`) where the source's own type is `record`. */
  readonly row: readonly IrField[];
  readonly declared: boolean;
  /** Each turns a batch of rows (`ref row`) into another. */
  readonly maps: readonly IrMap[];
  /** One batch: tensors with the batch's size `n` in front. */
  readonly batch: readonly IrField[];
}

export interface IrMap {
  readonly span: Span;
  readonly row: string;
  readonly body: readonly IrStmt[];
  readonly fields: readonly IrNamed[];
  /** Of a map that runs on the host, row by row: the rows that it gives. It is not lifted to batches, and maps of steps follow it. */
  readonly host?: readonly IrField[];
}

export interface IrSchedule {
  readonly span: Span;
  readonly doc: string | null;
  readonly name: string;
  readonly phases: readonly {
    readonly span: Span;
    readonly kind: string;
    readonly options: readonly IrNamed[];
    /** Of a phase in TypeScript: its file, and whether it goes on from where the phase before ended. */
    readonly extern?: { readonly module: string; readonly starts: boolean };
  }[];
}

export type Stage = 'train' | 'validate' | 'test' | 'predict' | 'measure';

export interface IrStep {
  readonly span: Span;
  readonly doc: string | null;
  readonly stage: Stage;
  /** `validate`, or the name after `as`; metrics are `name.metric`. */
  readonly name: string;
  readonly inputs: readonly { readonly span: Span; readonly name: string; readonly data: string }[];
  /** Of a measure step over several data sets, which is one step for each: the name of the batch. */
  readonly part?: string;
  readonly every: IrExpr | null;
  readonly body: readonly IrStepStmt[];
  /** Codes of warnings that the spec takes away here by `# allow`, where it has any. */
  readonly allowed?: readonly string[];
  /** In the order of the text; a record gives `m.field`. `table` where it is no number, and cannot be watched. */
  readonly metrics: readonly { readonly span: Span; readonly name: string; readonly table?: true }[];
}

export type IrStepStmt =
  | IrStmt
  /** A reduction over rows under a name, for several uses. */
  | { readonly kind: 'reduce'; readonly span: Span; readonly name: string; readonly value: IrReduction }
  | {
      readonly kind: 'update';
      readonly span: Span;
      readonly optimizers: readonly { readonly span: Span; readonly name: string }[];
      readonly body: readonly IrStepStmt[];
    }
  /** The terms of the sum, each a `mean`, `sum`, `each` or `times` of one. Once in each `update`. */
  | { readonly kind: 'minimize'; readonly span: Span; readonly terms: readonly IrReduction[] }
  | { readonly kind: 'log'; readonly span: Span; readonly name: string; readonly value: IrReduction }
  | {
      readonly kind: 'every';
      readonly span: Span;
      readonly label: string;
      readonly interval: IrExpr;
      readonly body: readonly IrStepStmt[];
    }
  | {
      readonly kind: 'if';
      readonly span: Span;
      readonly label: string;
      readonly test: IrExpr;
      readonly then: readonly IrStepStmt[];
      readonly else: readonly IrStepStmt[];
    }
  | {
      readonly kind: 'for';
      readonly span: Span;
      readonly name: string;
      readonly from: IrExpr;
      readonly to: IrExpr;
      readonly body: readonly IrStepStmt[];
    }
  /** In a measure step: a figure over all rows. `axes` are those that are joined, 0 among them; null for all. */
  | {
      readonly kind: 'measure';
      readonly span: Span;
      readonly name: string;
      readonly how: Exclude<IrJoined['how'], 'norm' | 'last'>;
      readonly values: IrExpr;
      readonly axes: readonly number[] | null;
      /** Of a mean. */
      readonly weight: IrExpr | null;
      /** Which of the values are missing, where some may be: they do not count. */
      readonly missing?: IrExpr;
    }
  | { readonly kind: 'return'; readonly span: Span; readonly fields: readonly IrNamed[] };

export interface IrAddon {
  readonly span: Span;
  readonly doc: string | null;
  readonly name: string;
  readonly label: string;
  /** The file that it is written in, where it is an extern. */
  readonly module: string | null;
  readonly phase: Phase;
  /** Effects that no other add-on may own. */
  readonly owns: readonly string[];
  /** Whether there may be several, each under a label. */
  readonly many: boolean;
  readonly options: readonly IrNamed[];
}
