/** What identifies a spec: its text, and what the text means. */
import { createHash } from 'node:crypto';
import type { Ir } from '../checker/ir.js';
import { meantTokens } from '../parser/lexical.js';

/** Of the text of the spec and of what it imports, with the names of the files. */
export const digestOf = (ir: Ir): string => {
  const hash = createHash('sha256');
  for (const { path, text } of ir.modules) hash.update(`${path.length} ${text.length} ${path}${text}`);
  return hash.digest('hex');
};

/**
 * Of the tokens of the spec and of what it imports: another spec has another one, and the same in other words about it has not. Names of
 * files are in it as far as an `import` says them.
 */
export const tokensDigestOf = (ir: Ir): string => {
  const hash = createHash('sha256');
  for (const { text } of ir.modules) {
    const tokens = meantTokens(text);
    // No token has a line break.
    hash.update(`${tokens.length}\n${tokens.map((token) => `${token}\n`).join('')}`);
  }
  return hash.digest('hex');
};
