/**
 * The report as one self-contained HTML file: figures and charts are in its markup, groups in a JSON block. The content
 * security policy allows only its own script and style, by their digests, so nothing in a log can run or load. The
 * script is web/report/, built to dist/report/.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../errors.js';
import type { LogAnalysis } from '../figures.js';
import { escapeMarkup } from '../svg.js';
import type { ReportData } from './data.js';
import { figuresMarkup } from './figures-markup.js';

export interface AboutReport {
  /** The logs as the user named them. */
  readonly source: string;
  readonly version: string;
  /** Notes on how the figures were obtained. */
  readonly notes: readonly string[];
}

/** Script and style of the page. */
export interface PageAssets {
  readonly script: string;
  readonly style: string;
}

/** Reads script and style. @throws UserError if they were not built */
export function pageAssets(): PageAssets {
  return { script: asset('report.js'), style: asset('report.css') };
}

/** The whole page. */
export function reportPage(
  analysis: LogAnalysis,
  data: ReportData,
  about: AboutReport,
  { script, style }: PageAssets,
): string {
  const policy = [
    "default-src 'none'",
    `script-src '${digest(script)}'`,
    `style-src '${digest(style)}'`,
    "img-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeMarkup(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Process rewards: ${escapeMarkup(about.source)}</title>
<style>${style}</style>
</head>
<body>
<header class="top">
<p class="brand">lambda-grpo ${escapeMarkup(about.version)} · analyze</p>
<h1>The process rewards hidden in <span class="source">${escapeMarkup(about.source)}</span></h1>
</header>
<main>
${figuresMarkup(analysis, about.notes)}
<section aria-labelledby="groups-title">
<h2 id="groups-title">Groups</h2>
<p class="lead" id="groups-lead"></p>
<div id="groups"></div>
</section>
<section id="group" aria-labelledby="group-title" hidden></section>
</main>
<script type="application/json" id="data">${json(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** JSON that cannot end a script block or start a comment, whatever its texts contain. */
function json(data: ReportData): string {
  return JSON.stringify(data, (_, value) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value,
  ).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** Path of a built file of the page: beside the compiled package, or in dist/ when run from the sources. */
function asset(name: string): string {
  const places = ['../../report/', '../../../dist/report/'].map((place) =>
    fileURLToPath(new URL(place + name, import.meta.url)),
  );
  const file = places.find((place) => existsSync(place));
  if (!file) throw new UserError(`${places[0]}: the report's page is not built; run npm run build`);
  // Browsers compute the digest after converting line ends to one character.
  return readFileSync(file, 'utf8').replace(/\r\n?/g, '\n');
}
