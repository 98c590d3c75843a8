/** The site: one page, read from top to bottom, with interactive pictures. */
import { defineProcessTree } from '../components/process-tree.js';
import { Address } from './address.js';
import { claimsSection } from './claims-section.js';
import { showEvidence } from './evidence.js';
import { groupSection } from './group-section.js';
import { logSection } from './log-section.js';
import { keepOffline } from './offline.js';
import './site.css';
import { sumsSection } from './sums-section.js';
import { trainingSection } from './training-section.js';

defineProcessTree();

function show(): void {
  const address = new Address();
  groupSection(document.querySelector('#group') as HTMLElement, address);
  trainingSection(document.querySelector('#training') as HTMLElement, address);
  sumsSection(document.querySelector('#sums') as HTMLElement);
  showEvidence(document);
  logSection(document.querySelector('#log') as HTMLElement);
  claimsSection(document.querySelector('#claims') as HTMLElement);
  // The sections were still empty when the browser looked for the target of the address.
  const { hash } = location;
  if (/^#[a-z-]+$/.test(hash)) document.querySelector(hash)?.scrollIntoView();
}

// A link to another state, opened in the same tab. A link to a section is not state.
addEventListener('hashchange', () => {
  if (location.hash.includes('=')) location.reload();
});
show();
addEventListener('load', () => keepOffline());
