/** Writes src/parser/messages.gen.ts and explanations.gen.ts from grammar/diagnostics.md; `--check` only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { readRegistry } from './diagnostic-registry.mjs';

const root = new URL('../', import.meta.url);
const source = new URL('grammar/diagnostics.md', root);
const header =
  '/** Generated from grammar/diagnostics.md by `node scripts/generate-messages.mjs`. Do not edit. */\n';

const template = (message) =>
  '`' +
  message
    .replace(/[\\`]|\$(?=\{)/g, '\\$&')
    .replace(/\{([a-z][A-Za-z0-9]*)\}/g, (_, name) => '${args.' + name + '}') +
  '`';

const constructor = (section, { functionName, message, placeholders }) => {
  const args = placeholders.map((name) => `readonly ${name}: string | number`).join('; ');
  const text = placeholders.length > 0 ? template(message) : JSON.stringify(message);
  return `
/** ${section.code} ${section.name}: ${message.replaceAll('*/', '* /')} */
export const ${functionName} = (span: Span, ${args === '' ? '' : `args: { ${args} }, `}details: DiagnosticDetails = {}): Diagnostic => ({
  ...details, code: '${section.code}', severity: '${section.severity}', message: ${text}, span,
});
`;
};

const messagesFile = (sections) => `${header}
import type { Diagnostic, DiagnosticDetails, Severity } from './diagnostic.js';
import type { Span } from './source.js';

/** Every code of the registry. */
export const codes: Readonly<Record<string, { readonly name: string; readonly severity: Severity }>> = {
${sections.map(({ code, name, severity }) => `${code}: { name: '${name}', severity: '${severity}' },`).join('\n')}
};
${sections.flatMap((section) => section.messages.map((message) => constructor(section, message))).join('')}`;

const explanationsFile = (sections) => `${header}
/** The registry's section of each code, as Markdown. */
export const explanations: Readonly<Record<string, string>> = {
${sections.map(({ code, markdown }) => `${code}: ${JSON.stringify(markdown)},`).join('\n')}
};
`;

const sections = readRegistry(readFileSync(source, 'utf8'));
const outputs = [
  ['src/parser/messages.gen.ts', messagesFile(sections)],
  ['src/parser/explanations.gen.ts', explanationsFile(sections)],
];
const config = await resolveConfig(source);
let stale = false;
for (const [path, text] of outputs) {
  const url = new URL(path, root);
  const formatted = await format(text, { ...config, parser: 'typescript' });
  let current = '';
  try {
    current = readFileSync(url, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  if (current === formatted) continue;
  if (process.argv.includes('--check')) {
    console.error(`${path} is out of date; run \`node scripts/generate-messages.mjs\``);
    stale = true;
  } else writeFileSync(url, formatted);
}
process.exitCode = stale ? 1 : 0;
