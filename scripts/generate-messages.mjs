/** Writes src/parser/messages.gen.ts and explanations.gen.ts from grammar/diagnostics.md; `--check` only compares. */
import { readFileSync } from 'node:fs';
import { writeGenerated } from './generated-file.mjs';
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
await writeGenerated('generate-messages.mjs', [
  { path: 'src/parser/messages.gen.ts', text: messagesFile(sections), parser: 'typescript' },
  { path: 'src/parser/explanations.gen.ts', text: explanationsFile(sections), parser: 'typescript' },
]);
