/**
 * Names of the spec as TypeScript identifiers. After this: every identifier is plain ASCII, is no reserved word, and
 * is declared once in its scope, whatever the spec calls its things.
 */

const WORD = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Words that cannot name a binding in a strict module, and global names that generated code relies on. */
const RESERVED = new Set(
  (
    'abstract any arguments as async await boolean break case catch class const continue debugger default delete do ' +
    'else enum eval export extends false finally for from function get if implements import in instanceof interface ' +
    'let module namespace never new null number object of package private process protected public readonly require ' +
    'return satisfies set static string super switch symbol this throw true try type typeof undefined unknown var ' +
    'void while with yield Array Infinity Math NaN Number Object Promise Readonly Record String'
  ).split(' '),
);

const wordsOf = (name: string): readonly string[] => {
  if (!WORD.test(name))
    throw new Error(`not a name: ${JSON.stringify(name)}; the checker lets only names through`);
  return name.split('_').filter((word) => word !== '');
};

const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);

/** `to_image` → `toImage`; `_x` → `x`; `__` → `blank`; a leading digit is kept off by an underscore. */
export const camel = (name: string): string => {
  const [first = 'blank', ...rest] = wordsOf(name);
  const joined = first + rest.map(capital).join('');
  return /^[0-9]/.test(joined) ? `_${joined}` : joined;
};

/** `conv2d_transpose` → `Conv2dTranspose`. */
export const pascal = (name: string): string => capital(camel(name));

/** What one instance of a class is called: `Generator` → `generator`, `GPT` → `gpt`, `GPTSmall` → `gptSmall`. */
export const instanceOf = (name: string): string => {
  const joined = camel(name);
  const run = /^[A-Z]+/.exec(joined)?.[0] ?? '';
  // The last capital of a run may start the next word.
  const lower = run.length > 1 && /[a-z]/.test(joined.charAt(run.length)) ? run.length - 1 : run.length;
  return joined.slice(0, lower).toLowerCase() + joined.slice(lower);
};

/** Declared names of one scope and those around it. */
export interface NameScope {
  /** The identifier of a thing, made at its first declaration: `wanted`, or `wanted2`, … where that is taken. */
  declare(key: string, wanted: string): string;
  /** The identifier of a thing that was declared here or further out. */
  find(key: string): string | null;
  has(identifier: string): boolean;
  child(reserved?: readonly string[]): NameScope;
}

const createScope = (
  outer: NameScope | null,
  reserved: readonly string[],
  words: ReadonlySet<string>,
): NameScope => {
  const taken = new Set(reserved);
  const byKey = new Map<string, string>();
  const scope: NameScope = {
    declare: (key, wanted) => {
      const before = byKey.get(key);
      if (before !== undefined) return before;
      if (!WORD.test(wanted)) throw new Error(`not an identifier: ${JSON.stringify(wanted)}`);
      const base = words.has(wanted) ? `${wanted}_` : wanted;
      let name = base;
      for (let turn = 2; scope.has(name); turn += 1) name = `${base}${turn}`;
      taken.add(name);
      byKey.set(key, name);
      return name;
    },
    find: (key) => byKey.get(key) ?? outer?.find(key) ?? null,
    has: (identifier) => taken.has(identifier) || (outer?.has(identifier) ?? false),
    child: (more = []) => createScope(scope, more, words),
  };
  return scope;
};

/** The outermost scope: `reserved` are names that generated code uses for itself. */
export const createNames = (reserved: readonly string[]): NameScope => createScope(null, reserved, RESERVED);

/** Names of properties: read as `from.name`, they hide no binding and may be any word. */
export const createPropertyNames = (): NameScope => createScope(null, [], new Set());
