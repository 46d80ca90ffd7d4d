/**
 * What is said of a program of which some declarations did not parse: the mistakes of the others, without those that only seem to be some
 * because a declaration is missing. A declaration is judged where it, and whatever it is made of, was read whole.
 */
import type { Decl } from '../parser/ast.js';
import type { Diagnostic } from '../parser/diagnostic.js';
import { nameless } from '../parser/regions.js';
import { isWithin } from '../parser/source.js';
import { nameOf } from './declarations.js';
import type { Program } from './program.js';

/** What a declaration is called by others. */
const namesOf = (decl: Decl): readonly string[] => {
  switch (decl.kind) {
    case 'import':
      return decl.names.map(({ name, as }) => (as ?? name).text);
    case 'extern':
      return decl.items.map(({ name }) => name.text);
    case 'step':
      return [(decl.as ?? decl.stage).text];
    case 'addon':
      return [(decl.as ?? decl.name).text];
    default: {
      const name = nameOf(decl);
      return name === null ? [] : [name.text];
    }
  }
};

/** Texts and comments name nothing. */
const silent = /"(?:[^"\\\n]|\\.)*"?|\/\/[^\n]*/g;

const wordsOf = (text: string): ReadonlySet<string> =>
  new Set(text.replace(silent, ' ').match(/[A-Za-z_]\w*/g) ?? []);

/** What is said of a name that is not there, or that the library has as something else: ZT2001 `unknown_name` to ZT2007, `not_exported`. */
const isOfName = (code: string): boolean => /^ZT20(?:0[1-7]|21)$/.test(code);

/** `missing_part`: a part of the whole is not there, which is no mistake of the declarations that are. */
const missingPart = 'ZT4205';

interface Judged {
  readonly decl: Decl;
  readonly words: ReadonlySet<string>;
}

/** Declarations that were read whole, and are made of such alone. */
const wholeDecls = ({ order, diagnostics }: Program, found: readonly Diagnostic[]): readonly Decl[] => {
  const isNameless = order.some(({ unread }) => unread.includes(nameless));
  // A name that nobody knows may be the one that is not there, and one that the library knows as well.
  const errors = [
    ...diagnostics.filter(({ severity }) => severity === 'error'),
    ...(isNameless ? found.filter(({ code }) => isOfName(code)) : []),
  ];
  const all = order.flatMap(({ source, spec }) =>
    spec.decls.map((decl): Judged => ({
      decl,
      words: wordsOf(source.text.slice(decl.span.start, decl.span.end)),
    })),
  );
  // Files are not told apart: a name that one of them may declare may be imported by another.
  const open = new Set(order.flatMap(({ unread }) => unread));
  const cut = new Set(order.flatMap((file) => [...file.cut]));
  let whole = all.filter(({ decl }) => {
    const isWhole = !cut.has(decl) && !errors.some(({ span }) => isWithin(span, decl.span));
    if (!isWhole) for (const name of namesOf(decl)) open.add(name);
    return isWhole;
  });
  for (;;) {
    const left = whole.filter(({ words }) => ![...words].some((word) => open.has(word)));
    if (left.length === whole.length) return left.map(({ decl }) => decl);
    const kept = new Set(left);
    for (const each of whole) if (!kept.has(each)) for (const name of namesOf(each.decl)) open.add(name);
    whole = left;
  }
};

/** What was found in declarations of which nothing is missing. */
export const foundInWhole = (program: Program, found: readonly Diagnostic[]): readonly Diagnostic[] => {
  const whole = wholeDecls(program, found);
  return found.filter(
    (each) => each.code !== missingPart && whole.some(({ span }) => isWithin(each.span, span)),
  );
};
