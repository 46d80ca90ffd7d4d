/**
 * The tree of one spec, as written. After the parser: every node has a number (unique in its file) and an exact
 * span; doc comments hang on what they describe. Nothing is resolved. Every node can be written as JSON.
 */
import type { Span } from './source.js';

interface NodeBase {
  readonly id: number;
  readonly span: Span;
}

export interface Name extends NodeBase {
  readonly kind: 'name';
  readonly text: string;
}

export interface StringLiteral extends NodeBase {
  readonly kind: 'string';
  /** With escapes resolved. */
  readonly value: string;
}

export interface Comment {
  readonly span: Span;
  readonly text: string;
  readonly doc: boolean;
}

/** A whole file. `///` lines at its head are its own doc; what a blank line parts from them is the first declaration's. */
export interface Spec extends NodeBase {
  readonly kind: 'spec';
  readonly doc: string | null;
  readonly decls: readonly Decl[];
  readonly comments: readonly Comment[];
}

interface DeclBase extends NodeBase {
  readonly doc: string | null;
  readonly allows: readonly Allow[];
}

/** `# allow ZT5002 "the reason"` before a declaration. */
export interface Allow extends NodeBase {
  readonly kind: 'allow';
  readonly code: Name;
  readonly reason: StringLiteral;
}

export type Decl =
  | ImportDecl
  | ExternDecl
  | ConstDecl
  | ParamDecl
  | AssertDecl
  | FnDecl
  | BlockDecl
  | ModelDecl
  | ModelAliasDecl
  | DataDecl
  | ScheduleDecl
  | OptimizerDecl
  | StepDecl
  | TrainerDecl
  | AddonDecl;

export interface ImportDecl extends DeclBase {
  readonly kind: 'import';
  readonly names: readonly { readonly name: Name; readonly as: Name | null }[];
  readonly from: StringLiteral;
}

export type ExternKind =
  'fn' | 'layer' | 'data' | 'model' | 'optimizer' | 'schedule' | 'metric' | 'trainer' | 'addon';

export interface ExternDecl extends DeclBase {
  readonly kind: 'extern';
  readonly module: StringLiteral;
  readonly items: readonly ExternItem[];
}

export interface ExternItem extends NodeBase {
  readonly kind: 'externItem';
  readonly doc: string | null;
  readonly what: ExternKind;
  readonly name: Name;
  readonly params: readonly Item[];
  /** `on x: …, y: … -> …` of layers and models. */
  readonly signature: Signature | null;
  /** `-> type` of functions, metrics and data. */
  readonly result: TypeExpr | null;
  readonly config: Config | null;
}

export interface ConstDecl extends DeclBase {
  readonly kind: 'const';
  readonly name: Name;
  readonly type: TypeExpr | null;
  readonly value: Expr;
}

export interface ParamDecl extends DeclBase {
  readonly kind: 'param';
  readonly item: Item;
}

/** `name: type = default where condition` */
export interface Item extends NodeBase {
  readonly kind: 'item';
  readonly doc: string | null;
  readonly name: Name;
  readonly type: TypeExpr;
  readonly value: Expr | null;
  readonly where: Expr | null;
}

export interface AssertDecl extends DeclBase {
  readonly kind: 'assert';
  readonly test: Expr;
  readonly message: StringLiteral | null;
}

export interface Signature extends NodeBase {
  readonly kind: 'signature';
  readonly inputs: readonly { readonly name: Name; readonly type: TypeExpr }[];
  readonly result: TypeExpr;
}

export interface FnDecl extends DeclBase {
  readonly kind: 'fn';
  readonly name: Name;
  readonly params: readonly Item[];
  readonly result: TypeExpr;
  /** `fn f(…) -> t = e` has a graph with no statements. */
  readonly body: Graph;
}

export interface BlockDecl extends DeclBase {
  readonly kind: 'block';
  readonly name: Name;
  readonly params: readonly Item[];
  readonly signature: Signature;
  readonly body: Graph;
}

export interface ModelDecl extends DeclBase {
  readonly kind: 'model';
  readonly name: Name;
  readonly params: readonly Item[];
  readonly signature: Signature;
  readonly body: Graph;
}

/** `model S = ema(M, decay = 0.999)` */
export interface ModelAliasDecl extends DeclBase {
  readonly kind: 'modelAlias';
  readonly name: Name;
  readonly source: Name;
  readonly args: readonly Arg[];
}

export interface Graph extends NodeBase {
  readonly kind: 'graph';
  readonly statements: readonly (LayerStmt | LetStmt | AssertStmt)[];
  readonly result: Expr;
  /** Of a model in TypeScript, whose declaration the checker makes of its item: what computes in place of the rest. */
  readonly extern?: ExternItem;
}

export interface LayerStmt extends NodeBase {
  readonly kind: 'layer';
  readonly doc: string | null;
  readonly name: Name;
  readonly value: Expr;
}

export interface LetStmt extends NodeBase {
  readonly kind: 'let';
  readonly name: Name;
  readonly type: TypeExpr | null;
  readonly value: Expr;
}

export interface AssertStmt extends NodeBase {
  readonly kind: 'assert';
  readonly test: Expr;
  readonly message: StringLiteral | null;
}

export interface Config extends NodeBase {
  readonly kind: 'config';
  readonly entries: readonly ConfigEntry[];
}

export type ConfigEntry = AttributeEntry | GroupEntry | MapEntry;

export interface AttributeEntry extends NodeBase {
  readonly kind: 'attribute';
  readonly name: Name;
  readonly value: Expr;
}

export interface GroupEntry extends NodeBase {
  readonly kind: 'group';
  readonly name: Name;
  readonly config: Config;
}

export interface MapEntry extends NodeBase {
  readonly kind: 'map';
  readonly row: Name;
  readonly value: Expr;
}

export interface DataDecl extends DeclBase {
  readonly kind: 'data';
  readonly name: Name;
  /** A source of the prelude or of an extern, or another data set that this one amends. */
  readonly source: Name;
  readonly record: RecordType | null;
  readonly config: Config;
}

export interface ScheduleDecl extends DeclBase {
  readonly kind: 'schedule';
  readonly name: Name;
  readonly phases: readonly SchedulePhase[];
}

export interface SchedulePhase extends NodeBase {
  readonly kind: 'phase';
  readonly name: Name;
  readonly args: readonly Arg[];
}

export interface OptimizerDecl extends DeclBase {
  readonly kind: 'optimizer';
  readonly name: Name;
  /** An optimizer of the prelude or of an extern, or another optimizer that this one amends. */
  readonly source: Name;
  readonly config: Config;
}

export interface TrainerDecl extends DeclBase {
  readonly kind: 'trainer';
  readonly name: Name;
  readonly config: Config;
}

export interface AddonDecl extends DeclBase {
  readonly kind: 'addon';
  readonly name: Name;
  readonly as: Name | null;
  readonly config: Config;
}

export interface StepDecl extends DeclBase {
  readonly kind: 'step';
  /** `train`, `validate`, `test`, `predict` or `measure`; the checker says so of any other word. */
  readonly stage: Name;
  readonly as: Name | null;
  readonly inputs: readonly { readonly name: Name; readonly data: Name }[];
  readonly every: Expr | null;
  /** A body of its own, or the name of the step whose body is used again. */
  readonly body: StepBody | Name;
}

export interface StepBody extends NodeBase {
  readonly kind: 'body';
  readonly statements: readonly StepStmt[];
}

export type StepStmt =
  LetStmt | AssertStmt | UpdateStmt | MinimizeStmt | MetricStmt | EveryStmt | ForStmt | IfStmt | ReturnStmt;

export interface UpdateStmt extends NodeBase {
  readonly kind: 'update';
  readonly optimizers: readonly Name[];
  readonly body: StepBody;
}

export interface MinimizeStmt extends NodeBase {
  readonly kind: 'minimize';
  readonly value: Expr;
}

export interface MetricStmt extends NodeBase {
  readonly kind: 'metric';
  readonly name: Name;
  readonly value: Expr | null;
  readonly by: Name | null;
}

export interface EveryStmt extends NodeBase {
  readonly kind: 'every';
  readonly interval: Expr;
  readonly body: StepBody;
}

export interface ForStmt extends NodeBase {
  readonly kind: 'for';
  readonly name: Name;
  readonly from: Expr;
  readonly to: Expr;
  readonly body: StepBody;
}

export interface IfStmt extends NodeBase {
  readonly kind: 'if';
  readonly test: Expr;
  readonly then: StepBody;
  readonly else: StepBody | null;
}

export interface ReturnStmt extends NodeBase {
  readonly kind: 'return';
  readonly value: Expr;
}

// ---- types

export type TypeExpr = NamedType | LiteralType | RecordType | UnionType;

/** `f32[n, 10]`, `int`, `path`, … */
export interface NamedType extends NodeBase {
  readonly kind: 'namedType';
  readonly name: Name;
  readonly shape: Shape | null;
}

export interface LiteralType extends NodeBase {
  readonly kind: 'literalType';
  readonly value: string;
}

export interface RecordType extends NodeBase {
  readonly kind: 'recordType';
  readonly fields: readonly { readonly name: Name; readonly type: TypeExpr }[];
}

export interface UnionType extends NodeBase {
  readonly kind: 'unionType';
  readonly members: readonly TypeExpr[];
}

export interface Shape extends NodeBase {
  readonly kind: 'shape';
  readonly dims: readonly DimExpr[];
}

export type DimExpr = RestDim | SizeDim;

/** `...` or `...name` */
export interface RestDim extends NodeBase {
  readonly kind: 'rest';
  readonly name: Name | null;
}

export interface SizeDim extends NodeBase {
  readonly kind: 'size';
  readonly size: Expr;
}

// ---- expressions

export type Expr =
  | NumberLiteral
  | StringLiteral
  | BoolLiteral
  | NameExpr
  | TupleExpr
  | ListExpr
  | RecordExpr
  | UnaryExpr
  | BinaryExpr
  | IfExpr
  | PipeExpr
  | CallExpr
  | MemberExpr
  | IndexExpr;

export interface NumberLiteral extends NodeBase {
  readonly kind: 'number';
  readonly value: number;
  /** `10` is an integer, `1e1` and `10.0` are not. */
  readonly integer: boolean;
  readonly text: string;
}

export interface BoolLiteral extends NodeBase {
  readonly kind: 'bool';
  readonly value: boolean;
}

export interface NameExpr extends NodeBase {
  readonly kind: 'ref';
  readonly name: string;
}

/** `(a, b)`; `(a)` is `a`, whose span then covers the parentheses' inside only. */
export interface TupleExpr extends NodeBase {
  readonly kind: 'tuple';
  readonly items: readonly Expr[];
}

export interface ListExpr extends NodeBase {
  readonly kind: 'list';
  readonly items: readonly Expr[];
}

export interface RecordExpr extends NodeBase {
  readonly kind: 'record';
  readonly fields: readonly { readonly name: Name; readonly value: Expr }[];
}

export interface UnaryExpr extends NodeBase {
  readonly kind: 'unary';
  readonly op: '-' | 'not';
  readonly value: Expr;
}

export type BinaryOp =
  '+' | '-' | '*' | '/' | '%' | '@' | '**' | '==' | '!=' | '<=' | '>=' | '<' | '>' | 'and' | 'or';

export interface BinaryExpr extends NodeBase {
  readonly kind: 'binary';
  readonly op: BinaryOp;
  /** Of the operator itself. */
  readonly opSpan: Span;
  readonly left: Expr;
  readonly right: Expr;
}

export interface IfExpr extends NodeBase {
  readonly kind: 'ifExpr';
  readonly test: Expr;
  readonly then: Expr;
  readonly else: Expr;
}

export interface PipeExpr extends NodeBase {
  readonly kind: 'pipe';
  readonly from: Expr;
  readonly stages: readonly Stage[];
}

export type Stage = ApplyStage | RepeatStage;

/** `dense(10) as head`, `relu()`, `M.trunk` */
export interface ApplyStage extends NodeBase {
  readonly kind: 'apply';
  readonly path: readonly Name[];
  readonly args: readonly Arg[] | null;
  readonly as: Name | null;
}

/** `repeat 4 as blocks { … }`, `repeat i in 0..4 { … }`, `repeat w in [32, 64] { … }` */
export interface RepeatStage extends NodeBase {
  readonly kind: 'repeat';
  readonly binder: Name | null;
  /** A count, the start of a range (then `to` is its end, exclusive), or a list. */
  readonly from: Expr;
  readonly to: Expr | null;
  readonly as: Name | null;
  readonly stages: readonly Stage[];
}

export interface CallExpr extends NodeBase {
  readonly kind: 'call';
  readonly callee: Expr;
  readonly args: readonly Arg[];
}

export interface Arg extends NodeBase {
  readonly kind: 'arg';
  readonly name: Name | null;
  readonly value: Expr;
}

export interface MemberExpr extends NodeBase {
  readonly kind: 'member';
  readonly object: Expr;
  readonly name: Name;
}

export interface IndexExpr extends NodeBase {
  readonly kind: 'index';
  readonly object: Expr;
  readonly slices: readonly Slice[];
}

/** `...`, `a:b` (either may be left out), or one index. */
export type Slice =
  | (NodeBase & { readonly kind: 'ellipsis' })
  | (NodeBase & { readonly kind: 'range'; readonly from: Expr | null; readonly to: Expr | null })
  | (NodeBase & { readonly kind: 'at'; readonly at: Expr });
