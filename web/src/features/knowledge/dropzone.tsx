import { InboxOutlined } from '@ant-design/icons';
import { Upload } from 'antd';
import { useTranslation } from 'react-i18next';

/** What is offered to be chosen. Anything can be dropped: the server judges by the content, and says why not. */
const OFFERED = '.pdf,.docx,.xlsx,.pptx,.html,.htm,.md,.markdown,.txt,.log,.csv,.tsv';

export function Dropzone({ onFiles }: { onFiles: (files: File[]) => void }) {
  const { t } = useTranslation();
  return (
    <Upload.Dragger
      multiple
      accept={{ format: OFFERED, filter: 'native' }}
      showUploadList={false}
      beforeUpload={(file, all) => {
        // Called once per file of a drop: take them all with the first.
        if (file === all[0]) onFiles(all);
        return false;
      }}
    >
      <p className="ant-upload-drag-icon">
        <InboxOutlined aria-hidden />
      </p>
      <p className="ant-upload-text">{t('knowledge.drop')}</p>
      <p className="ant-upload-hint">{t('knowledge.dropHint')}</p>
    </Upload.Dragger>
  );
}
