/** `ztrainc explain`: a diagnostic's page of the registry. */
import { explanations } from '../parser/explanations.gen.js';
import { codes } from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import { Misuse, exits, streams } from './streams.js';

/** `zt2001`, `2001` and `wrong_arrow` all name a code. */
const codeOf = (word: string): string => {
  const upper = word.toUpperCase();
  const code = /^\d{4}$/.test(word) ? `ZT${word}` : upper;
  if (explanations[code] !== undefined) return code;
  const named = Object.entries(codes).find(([, { name }]) => name === word.toLowerCase());
  if (named) return named[0];
  const near = nearest(upper, Object.keys(codes), 3);
  const hint = near.length > 0 ? `did you mean ${near.join(', ')}?` : 'ztrainc explain lists all codes';
  throw new Misuse(`there is no code ${JSON.stringify(word)}; ${hint}`);
};

export const explainCommand = (word: string | undefined): number => {
  if (word === undefined) {
    for (const [code, { name, severity }] of Object.entries(codes)) {
      streams.print(`${code}  ${severity.padEnd(7)}  ${name.replaceAll('_', ' ')}`);
    }
    return exits.well;
  }
  streams.print((explanations[codeOf(word)] ?? '').trimEnd());
  return exits.well;
};
