import { MessageOutlined, SearchOutlined } from '@ant-design/icons';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Input, Modal } from 'antd';
import { useDeferredValue, useId, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { conversationsQuery } from '@/api/chat';
import { meQuery } from '@/api/identity';
import { permits } from '@/lib/permissions';
import { ADMIN_AREAS, AREAS } from './navigation';
import styles from './palette.module.css';

interface Command {
  key: string;
  label: string;
  icon: ReactNode;
  run: () => void;
}

/** Ctrl K: goes to any area or conversation by typing a part of its name. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const listId = useId();
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const needle = useDeferredValue(text.trim());
  const { data: me } = useQuery(meQuery);
  const found = useInfiniteQuery(conversationsQuery(needle ? { q: needle } : {}));

  const areas: Command[] = [...AREAS, ...ADMIN_AREAS]
    .filter((area) => !area.permission || permits(me?.permissions ?? [], area.permission))
    .map((area) => ({
      key: area.to,
      label: t(`app.area.${area.label}`),
      icon: area.icon,
      run: () => void navigate({ to: area.to }),
    }))
    .filter((command) => command.label.toLowerCase().includes(needle.toLowerCase()));
  const conversations: Command[] = (found.data?.pages[0]?.items ?? []).slice(0, 12).map((item) => ({
    key: item.id,
    label: item.title || t('chat.untitled'),
    icon: <MessageOutlined />,
    run: () => void navigate({ to: '/chat/$conversationId', params: { conversationId: item.id } }),
  }));
  const commands = [...areas, ...conversations];
  const chosen = Math.min(active, Math.max(0, commands.length - 1));

  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0 && commands.length > 0) {
      event.preventDefault();
      setActive((chosen + step + commands.length) % commands.length);
    } else if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
      commands[chosen]?.run();
      onClose();
    }
  };
  return (
    <Modal open onCancel={onClose} footer={null} closable={false} width={560} styles={{ container: { padding: 8 } }} title={null} aria-label={t('app.palette')}>
      <Input
        autoFocus
        size="large"
        variant="borderless"
        prefix={<SearchOutlined aria-hidden />}
        placeholder={t('app.palette')}
        aria-label={t('app.palette')}
        role="combobox"
        aria-expanded
        aria-controls={listId}
        aria-activedescendant={commands[chosen] ? `${listId}-${chosen}` : undefined}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={listId} role="listbox" aria-label={t('app.palette')} className={styles.list}>
        {commands.map((command, index) => (
          <li
            key={command.key}
            id={`${listId}-${index}`}
            role="option"
            aria-selected={index === chosen}
            className={styles.item}
            ref={index === chosen ? (element) => element?.scrollIntoView({ block: 'nearest' }) : null}
            onMouseMove={() => setActive(index)}
            onClick={() => {
              command.run();
              onClose();
            }}
          >
            <span aria-hidden>{command.icon}</span>
            {command.label}
          </li>
        ))}
      </ul>
      {commands.length === 0 && <p className={styles.none}>{t('app.nothingFound')}</p>}
    </Modal>
  );
}
