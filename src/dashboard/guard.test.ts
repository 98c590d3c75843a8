import { describe, expect, it } from 'vitest';
import { Refusal } from './errors.js';
import { admit, type RequestHead, type Rules } from './guard.js';

const loopback: Rules = {
  hosts: new Set(['127.0.0.1:4780', 'localhost:4780']),
  token: null,
  cookie: 'lambda-grpo-4780',
};
const open: Rules = { ...loopback, hosts: new Set(['10.0.0.5:4780']), token: 'abc123' };

/** 200, or the status of the refusal. */
function status(url: string, headers: RequestHead['headers'] = {}, rules = loopback, method = 'GET'): number {
  const host = [...rules.hosts][0];
  try {
    admit({ method, url, headers: { host, ...headers } }, rules);
    return 200;
  } catch (error) {
    if (error instanceof Refusal) return error.status;
    throw error;
  }
}

describe('who is answered', () => {
  it('only requests that name a host this server was started on', () => {
    expect(status('/')).toBe(200);
    expect(status('/', { host: 'LOCALHOST:4780' })).toBe(200);
    for (const host of [
      undefined,
      '',
      'evil.example',
      'evil.example:4780',
      '127.0.0.1',
      '127.0.0.1:80',
      'localhost:4781',
      'localhost.evil.example:4780',
      '127.0.0.1:4780.evil.example',
      'user@127.0.0.1:4780',
    ]) {
      expect(status('/', { host }), String(host)).toBe(403);
      expect(status('/api/runs', { host }), String(host)).toBe(403);
    }
  });

  it('only requests of this page', () => {
    expect(status('/api/runs', { origin: 'http://127.0.0.1:4780' })).toBe(200);
    for (const origin of [
      'null',
      'http://evil.example',
      'https://127.0.0.1:4780',
      'http://127.0.0.1:4781',
      'http://localhost:4780',
    ]) {
      expect(status('/api/runs', { origin }), origin).toBe(403);
    }
    expect(status('/api/runs', { 'sec-fetch-site': 'same-origin' })).toBe(200);
    expect(status('/api/runs', { 'sec-fetch-site': 'none' })).toBe(200);
    for (const site of ['cross-site', 'same-site']) {
      expect(status('/api/runs', { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' })).toBe(403);
      expect(status('/api/runs', { 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate' })).toBe(403);
      expect(status('/assets/x.js', { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' })).toBe(403);
      expect(status('/', { 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate' }), 'a link to it').toBe(200);
    }
  });

  it('only reading, without a body, at a short address', () => {
    expect(status('/', {}, loopback, 'HEAD')).toBe(200);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      expect(status('/', {}, loopback, method), method).toBe(405);
    }
    expect(status('/', { 'content-length': '0' })).toBe(200);
    expect(status('/', { 'content-length': '1' })).toBe(413);
    expect(status('/', { 'transfer-encoding': 'chunked' })).toBe(413);
    expect(status(`/${'a'.repeat(2047)}`)).toBe(200);
    expect(status(`/${'a'.repeat(2048)}`)).toBe(414);
    expect(status(`/?${'a'.repeat(3000)}`)).toBe(414);
  });

  it('only addresses of plain names', () => {
    expect(status('/api/runs/a%2Fb%20%CE%BB%25/steps/1')).toBe(200);
    for (const url of [
      '/..',
      '/../x',
      '/a/../../x',
      '/%2e%2e/x',
      '/%2E%2e%2fx',
      '/..%2fx',
      '/a%2f..%2f..%2fx',
      '/.',
      '/%2e/x',
      '//etc/passwd',
      '/%2fetc%2fpasswd',
      '/a/%2fetc/passwd',
      '/a%00',
      '/..%5c..%5cx',
      '/a\\..\\b',
      '/C:%5cx',
      '/a//b',
      '/a/',
      '*',
      'http://127.0.0.1:4780/',
      'etc/passwd',
      '',
    ]) {
      expect(status(url), url).toBe(404);
    }
    for (const url of ['/%', '/%zz', '/%ff', '/%c0%ae%c0%ae/x']) expect(status(url), url).toBe(400);
  });
});

describe('token', () => {
  it('is asked for at every address', () => {
    for (const url of [
      '/',
      '/api/runs',
      '/api/events',
      '/assets/x.js',
      '/none',
      '/..',
      '/api/runs?token=abc123',
    ]) {
      expect(status(url, {}, open), url).toBe(401);
    }
    for (const headers of [
      { cookie: 'lambda-grpo-4780=abc124' },
      { cookie: 'lambda-grpo-4780=' },
      { cookie: 'lambda-grpo-4780' },
      { cookie: 'lambda-grpo-4781=abc123' },
      { cookie: 'x-lambda-grpo-4780=abc123' },
      { authorization: 'abc123' },
      { authorization: 'Bearer abc1234' },
      { authorization: 'Bearer ' },
    ]) {
      expect(status('/api/runs', headers, open), JSON.stringify(headers)).toBe(401);
    }
    expect(status('/?token=abc12', {}, open)).toBe(401);
    expect(status('/?token=', {}, open)).toBe(401);
  });

  it('is taken from the cookie and from Authorization', () => {
    expect(status('/api/runs', { cookie: 'a=b; lambda-grpo-4780=abc123; c=d' }, open)).toBe(200);
    expect(status('/api/runs', { authorization: 'Bearer abc123' }, open)).toBe(200);
  });

  it('in the address of the start page it becomes a cookie, and the address is left without it', () => {
    const { redirect } = admit(
      { method: 'GET', url: '/?token=abc123', headers: { host: '10.0.0.5:4780' } },
      open,
    );
    expect(redirect?.location).toBe('/');
    expect(redirect?.cookie).toBe('lambda-grpo-4780=abc123; Path=/; HttpOnly; SameSite=Lax');
  });

  it('does not stand in for the right host or origin', () => {
    const authorization = 'Bearer abc123';
    expect(status('/', { authorization, host: 'evil.example:4780' }, open)).toBe(403);
    expect(status('/', { authorization, origin: 'http://evil.example' }, open)).toBe(403);
  });
});
