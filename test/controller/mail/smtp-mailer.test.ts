import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { mails } from '../../../src/controller/mail/mails.ts';
import { SmtpMailer } from '../../../src/controller/mail/smtp-mailer.ts';
import { Secret } from '../../../src/core/secret.ts';

test('hands a mail to the server, to one recipient, with the code on a line of its own', async () => {
  const { url, heard } = await smtpServer();
  const mailer = new SmtpMailer({
    url,
    from: 'Spillway <no-reply@spillway.test>',
    waitMsMax: 5000,
  });
  await mailer.send(mails.confirmationCode('foo+x@ex.com', new Secret('012345')));
  const lines = heard.join('').split('\r\n');
  expect(lines).toContain('MAIL FROM:<no-reply@spillway.test>');
  expect(lines.filter((line) => line.startsWith('RCPT'))).toEqual(['RCPT TO:<foo+x@ex.com>']);
  expect(lines).toContain('012345');
});

test('a server that refuses is a dependency that fails, and its words are not repeated', async () => {
  const { url } = await smtpServer('550 no mail for foo@ex.com with pa55word');
  const mailer = new SmtpMailer({ url, from: 'no-reply@spillway.test', waitMsMax: 5000 });
  const sending = mailer.send(mails.passwordChanged('foo@ex.com'));
  await expect(sending).rejects.toMatchObject({
    code: 'MAIL_UNAVAILABLE',
    message: 'the mail server did not take a mail: 550',
  });
  await sending.catch((error: Error) => expect(error.cause).toBeUndefined());
});

/** Speaks just enough SMTP to be given a mail. */
async function smtpServer(toRecipient = '250 ok') {
  const heard: string[] = [];
  const server = createServer((socket) => {
    let inData = false;
    socket.write('220 test\r\n');
    socket.on('data', (chunk) => {
      const text = chunk.toString();
      heard.push(text);
      if (inData) {
        if (!text.endsWith('\r\n.\r\n')) return;
        inData = false;
        socket.write('250 taken\r\n');
      } else if (text.startsWith('RCPT')) socket.write(`${toRecipient}\r\n`);
      else if (text.startsWith('DATA')) {
        inData = true;
        socket.write('354 go on\r\n');
      } else if (text.startsWith('QUIT')) socket.end('221 bye\r\n');
      else socket.write('250 ok\r\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { url: new Secret(`smtp://127.0.0.1:${port}`), heard };
}
