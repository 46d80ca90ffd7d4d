/** Reads grammar/diagnostics.md. After this: every code has a name, a severity, its messages and its examples. */

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

const reserved = new Set(
  'break case catch class const continue debugger default delete do else enum export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof var void while with yield codes'.split(
    ' ',
  ),
);

const fail = (line, problem) => {
  throw new Error(`grammar/diagnostics.md:${line + 1}: ${problem}`);
};

const readMessage = (line, at, sectionName) => {
  const variant = /^> ([a-z][a-z0-9_]*): (.+)$/.exec(line);
  const name = variant ? variant[1] : sectionName;
  const message = variant ? variant[2] : line.slice(2).trim();
  if (message === '') fail(at, 'a message is empty');
  if (message.endsWith('.')) fail(at, 'a message ends with a full stop');
  const placeholders = [
    ...new Set([...message.matchAll(/\{([a-z][A-Za-z0-9]*)\}/g)].map((match) => match[1])),
  ];
  const functionName = camel(name);
  if (reserved.has(functionName)) fail(at, `\`${functionName}\` is a reserved word of TypeScript`);
  return { functionName, message, placeholders };
};

const readSection = (lines, first, last) => {
  const header = /^## (ZT[0-9]{4}) ([a-z][a-z0-9_]*)$/.exec(lines[first]);
  if (!header) return fail(first, `expected \`## ZT0000 some_name\`, found \`${lines[first]}\``);
  const [, code, name] = header;
  const messages = [];
  const wrong = [];
  const right = [];
  let severity = 'error';
  let side = null;
  let files = {};
  for (let at = first + 1; at < last; at++) {
    const line = lines[at];
    if (line.startsWith('~~~')) {
      const info = /^~~~ztrain(?: file=(\S+))?$/.exec(line);
      const end = lines.indexOf('~~~', at + 1);
      if (end < 0 || end >= last) fail(at, 'this example has no closing `~~~`');
      if (info) {
        if (!side) fail(at, 'an example stands under `### wrong` or `### right`');
        const text = lines.slice(at + 1, end).join('\n') + '\n';
        if (info[1]) files[info[1]] = text;
        else {
          side.push({ text, files });
          files = {};
        }
      }
      at = end;
    } else if (line === '### wrong') side = wrong;
    else if (line === '### right') side = right;
    else if (line.startsWith('#')) fail(at, `expected \`### wrong\` or \`### right\`, found \`${line}\``);
    else if (side === null && line.startsWith('> ')) messages.push(readMessage(line, at, name));
    else if (/^severity: /.test(line)) {
      severity = line.slice('severity: '.length);
      if (severity !== 'warning' && severity !== 'error') fail(at, `unknown severity \`${severity}\``);
    }
  }
  if (messages.length === 0) fail(first, `${code} has no \`> message\``);
  if (Object.keys(files).length > 0) fail(first, `${code} has a companion file with no example after it`);
  return {
    code,
    name,
    severity,
    messages,
    wrong,
    right,
    markdown: lines.slice(first, last).join('\n').trim() + '\n',
  };
};

/** Sections start at `## `, but not inside a `~~~` block. */
const sectionStarts = (lines) => {
  const starts = [];
  let inside = false;
  lines.forEach((line, at) => {
    if (line.startsWith('~~~')) inside = !inside;
    else if (!inside && line.startsWith('## ')) starts.push(at);
  });
  return starts;
};

export const readRegistry = (text) => {
  const lines = text.split('\n');
  const starts = sectionStarts(lines);
  const sections = starts.map((first, index) => readSection(lines, first, starts[index + 1] ?? lines.length));
  const seen = new Map();
  sections.forEach((section, index) => {
    const names = new Set(section.messages.map((message) => message.functionName));
    if (names.size < section.messages.length) fail(starts[index], `${section.code} names two messages alike`);
    for (const key of [
      section.code,
      `name ${section.name}`,
      ...[...names].map((each) => `function ${each}`),
    ]) {
      if (seen.has(key)) fail(starts[index], `${key} stands twice, first in ${seen.get(key)}`);
      seen.set(key, section.code);
    }
  });
  return sections.sort((a, b) => (a.code < b.code ? -1 : 1));
};
