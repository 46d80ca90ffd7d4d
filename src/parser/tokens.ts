/**
 * The words and signs of the language. After the lexer: the text is cut into tokens; what people write from other
 * languages (`&&`, single quotes, …) is a token of its own that counts as the one that was meant.
 */
import { createToken, Lexer, type ITokenConfig, type TokenType } from 'chevrotain';

/** Takes no category from elsewhere: `tokenMatcher` works on these objects. */
const token = (name: string, pattern: ITokenConfig['pattern'], more: Partial<ITokenConfig> = {}): TokenType =>
  createToken({ name, ...(pattern === undefined ? {} : { pattern }), ...more });

export const Identifier = token('Identifier', /[A-Za-z_][A-Za-z0-9_]*/, { label: 'a name' });

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** Not the start of a longer name: `as` is no part of `assert`. */
const whole = (word: string): RegExp => new RegExp(`${word}(?![A-Za-z0-9_])`);

/** A hard word is never a name. */
const hard = (word: string): TokenType => token(capital(word), whole(word), { label: `\`${word}\`` });

/** A soft word is a word only where the grammar asks for it, and a name elsewhere. */
const soft = (word: string): TokenType =>
  token(capital(word), whole(word), { categories: Identifier, label: `\`${word}\`` });

const sign = (name: string, text: string): TokenType => token(name, text, { label: `\`${text}\`` });

export const Let = hard('let');
export const Return = hard('return');
export const If = hard('if');
export const Then = hard('then');
export const Else = hard('else');
export const For = hard('for');
export const In = hard('in');
export const And = hard('and');
export const Or = hard('or');
export const Not = hard('not');
export const True = hard('true');
export const False = hard('false');
export const As = hard('as');
export const Where = hard('where');
export const On = hard('on');
export const Repeat = hard('repeat');
export const hardWords: readonly TokenType[] = [
  Let,
  Return,
  If,
  Then,
  Else,
  For,
  In,
  And,
  Or,
  Not,
  True,
  False,
  As,
  Where,
  On,
  Repeat,
];

export const Import = soft('import');
export const Extern = soft('extern');
export const Const = soft('const');
export const Param = soft('param');
export const Assert = soft('assert');
export const Fn = soft('fn');
export const Block = soft('block');
export const Model = soft('model');
export const Data = soft('data');
export const Schedule = soft('schedule');
export const Optimizer = soft('optimizer');
export const Step = soft('step');
export const Trainer = soft('trainer');
export const Addon = soft('addon');
/** The words that start a declaration. */
export const declarationWords: readonly TokenType[] = [
  Import,
  Extern,
  Const,
  Param,
  Assert,
  Fn,
  Block,
  Model,
  Data,
  Schedule,
  Optimizer,
  Step,
  Trainer,
  Addon,
];

export const From = soft('from');
export const Layer = soft('layer');
export const MapWord = soft('map');
export const Group = soft('group');
export const Update = soft('update');
export const Minimize = soft('minimize');
export const Metric = soft('metric');
export const By = soft('by');
export const Every = soft('every');
export const Allow = soft('allow');
/** The other soft words. */
export const statementWords: readonly TokenType[] = [
  From,
  Layer,
  MapWord,
  Group,
  Update,
  Minimize,
  Metric,
  By,
  Every,
  Allow,
];

export const Arrow = sign('Arrow', '->');
export const Pipe = sign('Pipe', '|>');
export const Ellipsis = sign('Ellipsis', '...');
export const DotDot = sign('DotDot', '..');
export const Power = sign('Power', '**');
export const LessEqual = sign('LessEqual', '<=');
export const GreaterEqual = sign('GreaterEqual', '>=');
export const EqualEqual = sign('EqualEqual', '==');
export const NotEqual = sign('NotEqual', '!=');
export const Bar = sign('Bar', '|');
export const Less = sign('Less', '<');
export const Greater = sign('Greater', '>');
export const Equal = sign('Equal', '=');
export const Plus = sign('Plus', '+');
export const Minus = sign('Minus', '-');
export const Star = sign('Star', '*');
export const Slash = sign('Slash', '/');
export const Percent = sign('Percent', '%');
export const At = sign('At', '@');
export const Dot = sign('Dot', '.');
export const Comma = sign('Comma', ',');
export const Colon = sign('Colon', ':');
export const LeftParen = sign('LeftParen', '(');
export const RightParen = sign('RightParen', ')');
export const LeftBracket = sign('LeftBracket', '[');
export const RightBracket = sign('RightBracket', ']');
export const LeftBrace = sign('LeftBrace', '{');
export const RightBrace = sign('RightBrace', '}');
/** Only before `allow`; any other `#` is taken for a comment of another language. */
export const Hash = token('Hash', /#(?=[ \t]*allow\b)/, { label: '`#`' });
const signs: readonly TokenType[] = [
  Arrow,
  Pipe,
  Ellipsis,
  DotDot,
  Power,
  LessEqual,
  GreaterEqual,
  EqualEqual,
  NotEqual,
  Bar,
  Less,
  Greater,
  Equal,
  Plus,
  Minus,
  Star,
  Slash,
  Percent,
  At,
  Dot,
  Comma,
  Colon,
  Hash,
  LeftParen,
  RightParen,
  LeftBracket,
  RightBracket,
  LeftBrace,
  RightBrace,
];
export const comparisons: readonly TokenType[] = [
  EqualEqual,
  NotEqual,
  LessEqual,
  GreaterEqual,
  Less,
  Greater,
];

export const FloatNumber = token(
  'Float',
  /[0-9][0-9_]*(?:\.[0-9][0-9_]*(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)(?![A-Za-z0-9_])/,
  { label: 'a number' },
);
export const IntNumber = token('Int', /[0-9][0-9_]*(?![A-Za-z0-9_])/, { label: 'a number' });

/** By hand, since a regular expression with escapes needs a stack as deep as the string is long. */
const quoted =
  (quote: string, closed: boolean) =>
  (text: string, offset: number): [string] | null => {
    if (text[offset] !== quote) return null;
    let at = offset + 1;
    for (; at < text.length; at++) {
      const letter = text[at];
      if (letter === quote) return closed ? [text.slice(offset, at + 1)] : null;
      if (letter === '\n' || letter === '\r') break;
      const next = text[at + 1];
      if (letter === '\\' && next !== '\n' && next !== '\r') at++;
    }
    return closed ? null : [text.slice(offset, Math.min(at, text.length))];
  };
export const Text = token('String', quoted('"', true), {
  label: 'a string',
  start_chars_hint: ['"'],
  line_breaks: false,
});

// What people write from other languages. The parser takes each for its category; the lexical pass reports it.
const mistaken = (
  name: string,
  pattern: ITokenConfig['pattern'],
  meant: TokenType,
  start: string,
): TokenType => token(name, pattern, { categories: meant, start_chars_hint: [start], line_breaks: false });
export const SingleQuoted = mistaken('SingleQuoted', quoted("'", true), Text, "'");
export const OpenString = mistaken('OpenString', quoted('"', false), Text, '"');
export const TripleEqual = mistaken('TripleEqual', '===', EqualEqual, '=');
export const NotDoubleEqual = mistaken('NotDoubleEqual', '!==', NotEqual, '!');
export const DoubleAnd = mistaken('DoubleAnd', '&&', And, '&');
export const DoubleBar = mistaken('DoubleBar', '||', Or, '|');
export const Bang = mistaken('Bang', '!', Not, '!');
export const FatArrow = mistaken('FatArrow', '=>', Arrow, '=');
const digits = [...'0123456789'];
/** `10px`, `1e`, `0x1F` */
export const WordNumber = token('WordNumber', /[0-9][0-9_]*(?:\.[0-9][0-9_]*)?[A-Za-z][A-Za-z0-9_]*/, {
  categories: IntNumber,
  start_chars_hint: digits,
});
/** `1.` */
export const DotNumber = token('DotNumber', /[0-9][0-9_]*\.(?![A-Za-z0-9_.])/, {
  categories: IntNumber,
  start_chars_hint: digits,
});
/** `.5` */
export const BareFraction = token('BareFraction', /\.[0-9][0-9_]*(?:[eE][+-]?[0-9]+)?/, {
  categories: IntNumber,
  start_chars_hint: ['.'],
});
const blockComment = (text: string, offset: number): [string] | null => {
  if (!text.startsWith('/*', offset)) return null;
  const end = text.indexOf('*/', offset + 2);
  return [text.slice(offset, end < 0 ? text.length : end + 2)];
};

const Space = token('Space', /[ \t\r\n\uFEFF]+/, { group: Lexer.SKIPPED, line_breaks: true });
/** Accepted between statements; the formatter drops it. */
const Semicolon = token('Semicolon', ';', { group: 'separators' });
const DocComment = token('DocComment', /\/\/\/[^\r\n]*/, { group: 'docs' });
const LineComment = token('LineComment', /\/\/[^\r\n]*/, { group: 'comments' });
const HashComment = token('HashComment', /#[^\r\n]*/, { group: 'hashComments' });
const BlockComment = token('BlockComment', blockComment, {
  group: 'blockComments',
  start_chars_hint: ['/'],
  line_breaks: true,
});

/** Every token, in the order in which the lexer tries them. */
export const allTokens: TokenType[] = [
  Space,
  DocComment,
  LineComment,
  BlockComment,
  Semicolon,
  FloatNumber,
  WordNumber,
  DotNumber,
  IntNumber,
  Text,
  OpenString,
  SingleQuoted,
  TripleEqual,
  NotDoubleEqual,
  DoubleAnd,
  DoubleBar,
  FatArrow,
  ...signs.slice(0, signs.indexOf(NotEqual) + 1),
  Bang,
  BareFraction,
  ...signs.slice(signs.indexOf(NotEqual) + 1),
  HashComment,
  ...hardWords,
  ...declarationWords,
  ...statementWords,
  Identifier,
];
